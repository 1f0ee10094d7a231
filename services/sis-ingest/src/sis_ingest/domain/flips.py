"""A flip: authority over one place passes to another source, or to none. Pure.

Its differences are what others would be told: records that come, change and go. A passing that
would take away, or add, more than the limits of ADR 0012 waits in a hold. Source: ADR 0018.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypeAlias

from roster_common.holds import approvals_needed, hash_items, trips
from sis_ingest.domain.authority import DISTRICT, Authority, speaker, spoken_by, to_said
from sis_ingest.domain.changes import Cause
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import ENTITIES, Entity
from sis_ingest.domain.guards import LIMITS, SAMPLE, GuardKey
from sis_ingest.domain.publish import Published, Resolved, ResolvedKey, Voice, publish

Action: TypeAlias = Literal["add", "change", "remove"]
ACTIONS: Final[tuple[Action, ...]] = ("add", "change", "remove")

# What the hold of a retelling names: a district has one such hold, whatever falls silent in it.
SILENCE: Final[GuardKey] = ("user", "remove")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who shall have authority over a place: `school_id` empty for the district, `source_id` None
    for nobody of its own.

    One that `retells` gives nothing to anybody: every record is told again by what is laid down
    when it begins.
    """

    district_id: str
    school_id: str
    source_id: str | None
    retells: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """An order and how far it has come; `after` is the last record that was told again.

    It is laid down when it begins. Until then it waits with its hold, and ends with it; `hold_id`
    is there while it is read as the one that waits.
    """

    flip_id: str
    order: Order
    decided_by: str
    correlation_id: str
    asked_at: datetime
    begun_at: datetime | None = None
    ended_at: datetime | None = None
    after: ResolvedKey | None = None
    upserted: int = 0
    deleted: int = 0
    hold_id: str | None = None

    @property
    def cause(self) -> Cause:
        """What every effect of it carries."""
        return Cause(
            correlation_id=self.correlation_id, delivery_id=self.flip_id, origin="operator"
        )


@dataclass(slots=True, kw_only=True)
class Differences:
    """What a flip would do: ids by entity and action, gathered page by page.

    `key_changes` are the records that another source would speak for, by entity; most of them say
    the same. `population` counts what others know today.
    """

    ids: dict[tuple[Entity, Action], list[str]] = field(default_factory=dict)
    key_changes: dict[Entity, int] = field(default_factory=dict)
    population: dict[Entity, int] = field(default_factory=dict)

    def add(self, before: Mapping[ResolvedKey, Resolved], after: Iterable[Resolved]) -> None:
        """One page: the records that stand, and those of them that would be stored instead."""
        for old in before.values():
            self.population.setdefault(old.entity, 0)
            self.population[old.entity] += not old.deleted
        for new in after:
            action = _action(before[new.entity, new.entity_id], new)
            if action is not None:
                self.ids.setdefault((new.entity, action), []).append(new.entity_id)

    def count(self, entity: Entity, action: Action) -> int:
        """How many records of an entity."""
        return len(self.ids.get((entity, action), ()))

    def sample(self, entity: Entity, action: Action) -> tuple[str, ...]:
        """Some of their ids."""
        return tuple(self.ids.get((entity, action), ())[:SAMPLE])

    @property
    def silences(self) -> bool:
        """Whether anything would be gone."""
        return any(ids for (_, action), ids in self.ids.items() if action == "remove")

    def guarded(self) -> frozenset[str]:
        """Names of the differences that guards count."""
        return frozenset(
            item_name(entity, operation, one)
            for entity, operation in LIMITS
            for one in self.ids.get((entity, operation), ())
        )

    @property
    def items_hash(self) -> str:
        """Names exactly these differences."""
        return hash_items(
            (f"{entity}/{one}", action) for (entity, action), ids in self.ids.items() for one in ids
        )

    def without(self, names: frozenset[str]) -> "Differences":
        """Those that guards count, but for the ones named."""
        left: dict[tuple[Entity, Action], list[str]] = {}
        for entity, operation in LIMITS:
            ids = self.ids.get((entity, operation), ())
            left[entity, operation] = [
                one for one in ids if item_name(entity, operation, one) not in names
            ]
        return Differences(ids=left, population=self.population)

    def stopped(self, spent: Mapping[GuardKey, int]) -> tuple[GuardKey, ...]:
        """The guards that say no, the one first whose limit is exceeded the most."""
        over = [
            key
            for key, limit in LIMITS.items()
            if trips(
                limit,
                wanted=self.count(*key),
                spent=spent.get(key, 0),
                population=self._stood(key, spent),
            )
        ]
        return tuple(sorted(over, key=self._share, reverse=True))

    def approvals_needed(self) -> int:
        """Two people where any guard counts more than a quarter of all."""
        return max(
            approvals_needed(held=self.count(*key), population=self.population.get(key[0], 0))
            if self.count(*key)
            else 1
            for key in LIMITS
        )

    def _stood(self, key: GuardKey, spent: Mapping[GuardKey, int]) -> int:
        gone = spent.get(key, 0)
        now = self.population.get(key[0], 0)
        return now + gone if key[1] == "remove" else max(now - gone, 0)

    def _share(self, key: GuardKey) -> float:
        return self.count(*key) / max(self.population.get(key[0], 0), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a person approves with the hold of a flip: the order, who speaks there today, and how
    many differences by action and entity.
    """

    order: Order
    speaks_today: str | None
    counts: Mapping[str, Mapping[str, int]]

    @property
    def total(self) -> int:
        """All that the hold names."""
        return sum(sum(counts.values()) for counts in self.counts.values())


def retell(
    district_id: str,
    records: Mapping[ResolvedKey, Resolved],
    voices: Mapping[ResolvedKey, Sequence[Voice]],
    *,
    authority: Authority,
    cause: Cause,
) -> Published:
    """What would be stored and told of records that stand, if `authority` held."""
    said = [to_said(key, spoken_by(found, authority), cause=cause) for key, found in voices.items()]
    return publish(district_id, said, records)


def passing(
    voices: Mapping[ResolvedKey, Sequence[Voice]], *, before: Authority, after: Authority
) -> Iterator[Entity]:
    """The entity of each record that another source record speaks for afterwards."""
    for (entity, _), found in voices.items():
        old, new = speaker(found, before), speaker(found, after)
        if old is not None and new is not None and _key(old) != _key(new):
            yield entity


def place_of(order: Order) -> Place:
    """Where a hold of it stands: no source has such an id."""
    if order.retells:
        return Place(district_id=order.district_id, source_id="retelling:")
    return Place(
        district_id=order.district_id, source_id=f"authority:{order.school_id or 'district'}"
    )


def retelling(district_id: str) -> Order:
    """Tells everything in the district again."""
    return Order(district_id=district_id, school_id=DISTRICT, source_id=None, retells=True)


def budget_of(district_id: str) -> Place:
    """What flips of a district spend together; no source has such an id."""
    return Place(district_id=district_id, source_id="authority:")


def item_name(entity: Entity, action: str, entity_id: str) -> str:
    """Names one difference."""
    return f"{action}/{entity}/{entity_id}"


def entity_of(name: str) -> Entity:
    """What a difference with this name is of."""
    return ENTITIES[name.split("/", 2)[1]]


def _key(voice: Voice) -> tuple[str, str]:
    return voice.place.source_id, voice.external_id


def _action(old: Resolved, new: Resolved) -> Action | None:
    if old.deleted:
        return None if new.deleted else "add"
    return "remove" if new.deleted else "change"
