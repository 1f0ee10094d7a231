"""How much may be done in a target without asking, and what became of what was held. Pure.

For accounts and, by the same rule, for memberships: a wish names a person, a group where it is
about a membership, and an action. Source: blueprint invariant 4, ADR 0012.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from directory_sync.domain.fact import Cause
from directory_sync.domain.ids import PersonId
from roster_common.holds import Limit, trips

DISABLE: Final = "disable"
CREATE: Final = "create"
REMOVE_MEMBER: Final = "membership_remove"

# ADR 0012, per target and rolling 24 hours.
LIMITS: Final[Mapping[str, Limit]] = {
    DISABLE: Limit(count=25, share=0.05),
    CREATE: Limit(count=100, share=0.20),
    REMOVE_MEMBER: Limit(count=50, share=0.20),
}
# A first load is no addition to what stood before, and republishing repeats what passed before.
_NOT_COUNTED: Final[Mapping[str, frozenset[str]]] = {CREATE: frozenset({"firstload", "republish"})}


class ItemState(StrEnum):
    """Where one held wish stands.

    `waiting` in an open plan; `released` by an approval and not done yet; `refused` by a
    rejection; `lapsed`: it must be asked again (nobody decided in time, or the whole target was
    read since the rejection). `done` and `gone` (no longer wanted) are ends.
    """

    WAITING = "waiting"
    RELEASED = "released"
    REFUSED = "refused"
    LAPSED = "lapsed"
    DONE = "done"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a wish is about; `group_id` is empty for accounts."""

    person_id: PersonId
    group_id: str = ""
    action: str

    def pair(self) -> tuple[str, str]:
        """(id, action), as an approval's hash covers it."""
        item_id = f"{self.person_id}/{self.group_id}" if self.group_id else str(self.person_id)
        return item_id, self.action


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One action wanted. `attributes` are names only; `reason` a stable code."""

    key: Key
    reason: str
    attributes: tuple[str, ...]
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveItem:
    """A held wish that is not at its end. `expires_at` is its plan's."""

    key: Key
    state: ItemState
    plan_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one kind of action has in a target: spent in 24 hours, of how many, by which limit."""

    limit: Limit
    spent: int
    population: int


def is_counted(wish: Wish) -> bool:
    """Whether the limit of its kind concerns this wish at all."""
    kind = wish.key.action
    return kind in LIMITS and wish.cause.origin not in _NOT_COUNTED.get(kind, frozenset())


def uncounted_origins(kind: str) -> frozenset[str]:
    """Origins whose wishes of this kind need no budget."""
    return _NOT_COUNTED.get(kind, frozenset())


def may_pass(budget: Budget, *, wanted: int, asking: bool) -> bool:
    """Whether `wanted` new wishes, all that are known of, may be done without asking.

    While a plan of the kind waits (`asking`) nothing of the kind passes: what is wanted then is
    more than the budget by itself, and a drip must not get through beside it.
    """
    return not asking and not trips(
        budget.limit, wanted=wanted, spent=budget.spent, population=budget.population
    )
