"""A plan that waits for a person: what would be done in a target, and who decided. Pure data."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from roster_common.holds import APPROVAL_TIME, Decision, approvals_needed, hash_items

PlanKind: TypeAlias = Literal["first_connection", "guard", "removals"]
Item: TypeAlias = tuple[PersonId, str]

ACTIONS: Final = ("create", "update", "disable", "enable", "link")
DISABLE: Final = "disable"
REMOVE_MEMBER: Final = "remove_member"
# What each kind guards, as a stable word.
GUARDS: Final[Mapping[PlanKind, str]] = {
    "first_connection": "first_connection",
    "guard": "accounts.disable",
    "removals": "memberships.remove",
}
SAMPLE: Final = 20


class ItemState(StrEnum):
    """Where one item of a plan stands; the first four are live.

    `waiting` for a person; `released` by an approval and not done yet; `refused` by a rejection;
    `expired`, so that it is asked again when the person is looked at. `done` and `gone` (no longer
    wanted) are ends. A live item ends only so: what is wanted stays held until somebody approves.
    """

    WAITING = "waiting"
    RELEASED = "released"
    REFUSED = "refused"
    EXPIRED = "expired"
    DONE = "done"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One plan: items (person, action) wanted, of `population` accounts or memberships.

    `limit` and `limit_share` are the guard's, None for a first connection. `correlation_id` is
    that of the delivery whose wish opened it; `grown_at` when items last came.
    """

    district_id: DistrictId
    target_id: TargetId
    plan_id: str
    kind: PlanKind
    decision: Decision
    counts: Mapping[str, int]
    population: int
    limit: int | None
    limit_share: float | None
    correlation_id: str
    created_at: datetime
    grown_at: datetime
    ended_at: datetime | None = None
    reason: str | None = None

    @property
    def count(self) -> int:
        """How many items it holds."""
        return sum(self.counts.values())

    @property
    def percent(self) -> float:
        """Items per hundred of the population, at most 100."""
        return round(min(100.0, 100.0 * self.count / max(self.population, 1)), 2)

    @property
    def guard(self) -> str:
        """What it keeps from happening, as a stable word of `GUARDS`."""
        return GUARDS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItem:
    """One item as operators see it: names of attributes, never values."""

    person_id: PersonId
    action: str
    reason: str
    attributes: Sequence[str]
    state: ItemState


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPlan:
    """A plan with some of its items."""

    plan: Plan
    items: Sequence[PlanItem]


def open_plan(
    *,
    district_id: DistrictId,
    target_id: TargetId,
    plan_id: str,
    kind: PlanKind,
    correlation_id: str,
    now: datetime,
) -> Plan:
    """A plan that holds nothing yet."""
    return Plan(
        district_id=district_id,
        target_id=target_id,
        plan_id=plan_id,
        kind=kind,
        decision=Decision(state="open", items_hash=hash_items(()), expires_at=now + APPROVAL_TIME),
        counts=counts_of(()),
        population=0,
        limit=None,
        limit_share=None,
        correlation_id=correlation_id,
        created_at=now,
        grown_at=now,
    )


def holding(plan: Plan, items: Iterable[Item], *, population: int, now: datetime) -> Plan:
    """The plan after growth, holding exactly `items`: its hash is new and approvals are void."""
    items = set(items)
    counts = counts_of(action for _, action in items)
    decision = replace(
        plan.decision,
        items_hash=hash_items(items),
        approvals=(),
        approvals_needed=approvals_needed(
            held=counts[DISABLE] + counts.get(REMOVE_MEMBER, 0), population=population
        ),
    )
    return replace(plan, decision=decision, counts=counts, population=population, grown_at=now)


def removal(group_key: str) -> str:
    """The action that takes a person out of a group: `remove_member:<group key>`."""
    return f"{REMOVE_MEMBER}:{group_key}"


def group_of(action: str) -> str:
    """The key of the group that a `removal` names."""
    return action.partition(":")[2]


def counts_of(actions: Iterable[str]) -> Mapping[str, int]:
    """How many of each action; those on accounts are always named, removals without their group."""
    found = Counter(action.partition(":")[0] for action in actions)
    return dict.fromkeys(ACTIONS, 0) | found
