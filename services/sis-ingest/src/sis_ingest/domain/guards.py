"""How much one source may remove, or add, before a person is asked. Pure.

Fills the shared rule (roster_common/holds.py) with this service's limits. Source: ADR 0012.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from roster_common.holds import Decision, Limit, trips
from sis_ingest.domain.changes import Cause, Change, ChangeKey, Known, Settled
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity

Operation: TypeAlias = Literal["remove", "add"]
GuardKey: TypeAlias = tuple[Entity, Operation]

WINDOW: Final = timedelta(hours=24)
SAMPLE: Final = 20

_PEOPLE: Final = Limit(count=25, share=0.05)
_MANY: Final = Limit(count=50, share=0.2)
_FEW: Final = Limit(count=5, share=0.2)

LIMITS: Final[Mapping[GuardKey, Limit]] = {
    ("org", "remove"): Limit(count=0, share=0.0),
    ("academicSession", "remove"): _FEW,
    ("course", "remove"): _FEW,
    ("class", "remove"): _MANY,
    ("user", "remove"): _PEOPLE,
    ("demographics", "remove"): _PEOPLE,
    ("enrollment", "remove"): _MANY,
    ("user", "add"): Limit(count=100, share=0.2),
}

# People whom one run may find under other ids before its report warns; nothing of them waits.
KEY_CHANGES: Final = Limit(count=5, share=0.01)

# A source's own limits; a guard that it says nothing of has its limit from above.
LimitsOf: TypeAlias = Callable[[Place], Mapping[GuardKey, Limit]]


def standard_limits(_place: Place) -> Mapping[GuardKey, Limit]:
    """The limits of ADR 0012, for every source."""
    return LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What a guard stopped for one source, entity and operation; its items stand beside it.

    `threshold` is the limit it was judged by last. `cause` is of the delivery that opened it,
    `run_id` its run if that was a file. `sample` holds up to 20 of the ids. `released` counts the
    items done after an approval; `done_at` is set when none of them waits any more.
    """

    hold_id: str
    place: Place
    entity: Entity
    operation: Operation
    count: int
    population: int
    threshold: Limit
    decision: Decision
    cause: Cause
    run_id: str | None
    created_at: datetime
    sample: tuple[str, ...] = ()
    reason: str | None = None
    released: int = 0
    done_at: datetime | None = None

    @property
    def key(self) -> GuardKey:
        """Which guard stopped it."""
        return self.entity, self.operation

    @property
    def limit(self) -> int:
        """How many could have gone without asking."""
        return self.threshold.allowance(self.population)

    @property
    def limit_percent(self) -> float:
        """The share of the population that could have gone, as a percentage."""
        return round(self.threshold.share * 100, 1)

    @property
    def percent(self) -> float:
        """The share of the population that is held, 0 to 100."""
        return round(min(100.0, 100 * self.count / max(self.population, self.count, 1)), 1)


def room(limit: Limit, *, wanted: int, spent: int, population: int) -> int:
    """How many of `wanted` may go one after another; what follows waits."""
    going = 0
    while going < wanted and not trips(limit, wanted=1, spent=spent + going, population=population):
        going += 1
    return going


def guarded(
    settled: Settled, known: Mapping[ChangeKey, Known]
) -> Mapping[GuardKey, Sequence[Change]]:
    """The changes among the writes that a guard counts, by guard, in order.

    A removal takes away what stood. An addition may be one: only what means nobody we know is, so
    what comes back after a deletion is none, and what was never there before its deletion is.
    """
    found: dict[GuardKey, list[Change]] = {}
    for write in settled.writes:
        change = write.change
        before = known.get(change.key)
        if not write.content:
            continue
        if change.deleted and before is not None and not before.deleted:
            found.setdefault((change.entity, "remove"), []).append(change)
        elif not change.deleted and (before is None or before.deleted):
            found.setdefault((change.entity, "add"), []).append(change)
    return {key: changes for key, changes in found.items() if key in LIMITS}
