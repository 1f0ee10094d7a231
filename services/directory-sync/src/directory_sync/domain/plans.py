"""A plan that waits for a person: what would be done in a target, and who decided. Pure data."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from directory_sync.domain.guard import ItemState, Wish
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from roster_common.holds import Decision

PlanKind: TypeAlias = Literal["first_connection", "guard"]

ACTIONS: Final = ("create", "update", "disable", "enable", "link", "membership_remove")
SAMPLE: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One plan. `action` is the kind that a guard held; None for a first connection.

    `count` items of `population`; `limit` and `limit_share` are the guard's, None without one.
    `correlation_id` is that of the delivery whose wish opened it; `grown_at` when items last came.
    """

    district_id: DistrictId
    target_id: TargetId
    plan_id: str
    kind: PlanKind
    action: str | None
    decision: Decision
    counts: Mapping[str, int]
    count: int
    population: int
    limit: int | None
    limit_share: float | None
    correlation_id: str
    created_at: datetime
    grown_at: datetime

    @property
    def percent(self) -> float:
        """Items per hundred of the population; 100 when there is none."""
        return (
            round(min(100.0, 100.0 * self.count / self.population), 2) if self.population else 100.0
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItem:
    """One person of a plan; names of attributes, never values."""

    person_id: PersonId
    group_id: str
    action: str
    reason: str
    attributes: Sequence[str]
    state: ItemState


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPlan:
    """A plan with some of its items, for operators."""

    plan: Plan
    items: Sequence[PlanItem]


def counts_of(wishes: Iterable[Wish]) -> Mapping[str, int]:
    """How many of each action; every action is named."""
    found = Counter(wish.key.action for wish in wishes)
    return {action: found[action] for action in ACTIONS if found[action] or action in ACTIONS[:5]}
