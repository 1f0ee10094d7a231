"""Decide ids: what a person says about ids, tried first or done, in one transaction.

The common way of merge, split and undo: each of them says what would move, or why it may not.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, TypeVar

from roster_common.holds import hash_items, trips
from sis_ingest.domain.changes import Cause
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.events import RecordToBeDeleted
from sis_ingest.domain.flips import budget_of
from sis_ingest.domain.guards import LIMITS, WINDOW, GuardKey
from sis_ingest.domain.identity import Decision, Moved
from sis_ingest.domain.publish import Published
from sis_ingest.ports import Ids
from sis_ingest.ports.units import Unit, Units
from sis_ingest.usecases.move_ids import MoveIds, Reason

No = TypeVar("No")


@dataclass(frozen=True, slots=True, kw_only=True)
class TooSilent:
    """By entity, how many records would fall silent: more than may without a second look."""

    counts: Mapping[Entity, int]


NotDone: TypeAlias = Literal["hash_differs", "authority_differs"] | TooSilent

# In the hash, an id minted just now: a dry run and what is done after it mint different ones.
_MINTED: Final = "minted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who wants it. `items_hash`, where given, is of the dry run that was looked at."""

    subject: str
    correlation_id: str
    dry_run: bool = False
    items_hash: str | None = None

    def reason(
        self,
        kind: Literal["merge", "split", "undo"],
        *,
        key_change: Literal["merge", "split"],
        undoes: str | None = None,
    ) -> Reason:
        """The reason of a decision that a person makes."""
        return Reason(
            kind=kind,
            match_rule="operator",
            decided_by=f"operator:{self.subject}",
            key_change=key_change,
            undoes=undoes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to move, and why; without moves it was done before. `minted` is new with it."""

    moves: Sequence[Moved]
    reason: Reason
    minted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """A record that was, or would be, told again."""

    entity: Entity
    entity_id: str
    action: Literal["upserted", "tobedeleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What moved and what it touched; nothing, and no decision, when it was done before.

    `items_hash` covers both; a decision that carries it does exactly this or nothing.
    """

    decision_id: str | None = None
    moves: Sequence[Moved] = ()
    touched: tuple[Touched, ...] = ()
    items_hash: str = field(default_factory=lambda: hash_items(()))


class _OnlyLooking(Exception):
    """Leaves the transaction with nothing done; `why`, unless it was a look."""

    def __init__(self, why: NotDone | None = None) -> None:
        super().__init__()
        self.why: NotDone | None = why


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideIds:
    """Does what a plan says, under the district's lock."""

    units: Units
    ids: Ids
    move: MoveIds

    async def __call__(
        self,
        district_id: str,
        space: Entity,
        plan: Callable[[Unit], Awaitable[Plan | No]],
        *,
        order: Order,
    ) -> Decided | No | NotDone:
        """What was decided, or the plan's refusal. Commits; may run twice as far as `plan` may.

        A dry run does all of it and takes it back, so it shows what would be, and nothing else.
        """
        cause = Cause(
            correlation_id=order.correlation_id, delivery_id=self.ids.new_id(), origin="operator"
        )
        decided = Decided()
        try:
            async with self.units.begin("merge") as unit:
                await unit.lock_district(district_id)
                planned = await plan(unit)
                if not isinstance(planned, Plan):
                    return planned
                if planned.moves:
                    decision, published = await self.move(
                        unit,
                        district_id,
                        space,
                        planned.moves,
                        cause=cause,
                        reason=planned.reason,
                    )
                    await self._check(unit, decision, planned.moves, published)
                    decided = _decided(decision.decision_id, planned, published)
                if order.dry_run:
                    raise _OnlyLooking
                if order.items_hash not in (None, decided.items_hash):
                    raise _OnlyLooking("hash_differs")
        except _OnlyLooking as looked:
            return looked.why or decided
        return decided

    async def _check(
        self, unit: Unit, decision: Decision, moves: Sequence[Moved], published: Published
    ) -> None:
        """One person's word about ids gives no school away and takes no more than a flip may."""
        district_id, now = decision.district_id, decision.decided_at
        authority = await unit.authority.of(district_id)
        if decision.entity == "org" and any(
            move.was in authority.sources and authority.of(move.was) != authority.of(move.entity_id)
            for move in moves
        ):
            raise _OnlyLooking("authority_differs")
        silent = Counter(
            event.entity
            for event in published.events
            if isinstance(event, RecordToBeDeleted) and event.reason == "no_authority"
        )
        budget = budget_of(district_id)
        spent = await unit.budget.spent(budget, since=now - WINDOW) if silent else {}
        over: dict[Entity, int] = {}
        for entity, count in silent.items():
            key: GuardKey = (entity, "remove")
            gone = spent.get(key, 0)
            stood = await unit.records.living(district_id, entity) + count + gone
            if key in LIMITS and trips(LIMITS[key], wanted=count, spent=gone, population=stood):
                over[entity] = count
            await unit.budget.spend(
                budget,
                key,
                count,
                cause_id=decision.decision_id,
                now=now,
                window_begins=now - WINDOW,
            )
        if over:
            raise _OnlyLooking(TooSilent(counts=over))


def _decided(decision_id: str, plan: Plan, published: Published) -> Decided:
    """Removals first: what is lost is what a person must see."""
    records = sorted(published.records, key=lambda one: not one.deleted)
    touched = tuple(
        Touched(
            entity=record.entity,
            entity_id=record.entity_id,
            action="tobedeleted" if record.deleted else "upserted",
        )
        for record in records
    )

    def name(ours: str) -> str:
        return _MINTED if ours == plan.minted else ours

    items: list[tuple[str, str]] = [
        (f"{one.entity}/{name(one.entity_id)}", one.action) for one in touched
    ]
    items += [
        (f"{move.source_id}/{move.external_id}", f"{move.was}>{name(move.entity_id)}")
        for move in plan.moves
    ]
    return Decided(
        decision_id=decision_id,
        moves=tuple(plan.moves),
        touched=touched,
        items_hash=hash_items(items),
    )
