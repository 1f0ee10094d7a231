"""Our facts -> events of the registry. The enumeration is repeated here on purpose: a change of a
domain word must not change the wire unseen (tests/unit/directory-sync compares them).
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, get_args

from directory_sync.domain.fact import (
    AccountFact,
    AccountNamed,
    AccountStep,
    Drift,
    Fact,
    MembershipFact,
    PlanFact,
    PlanStep,
)
from directory_sync.domain.plans import PlanKind
from roster_common.contracts.directory_account_v1 import (
    AccountAction,
    AccountCreated,
    AccountDisabled,
    AccountEnabled,
    AccountFailed,
    AccountUpdated,
)
from roster_common.contracts.directory_account_v1 import AccountNamed as AccountNamedV1
from roster_common.contracts.directory_state_v1 import (
    DriftDetected,
    MembershipAdded,
    MembershipRemoved,
)
from roster_common.contracts.envelope import Event, EventData, Origin
from roster_common.contracts.safety_breaker_v1 import (
    BreakerApproved,
    BreakerExpired,
    BreakerFact,
    BreakerRejected,
    BreakerTripped,
)
from roster_common.errors import Fatal

STEPS: Mapping[AccountStep, type[AccountAction]] = {
    AccountStep.CREATED: AccountCreated,
    AccountStep.UPDATED: AccountUpdated,
    AccountStep.DISABLED: AccountDisabled,
    AccountStep.ENABLED: AccountEnabled,
    AccountStep.FAILED: AccountFailed,
}
_REASONS: Mapping[str, Literal["class", "org"]] = {"class": "class", "org": "org"}
_OPERATIONS: Mapping[PlanKind, Literal["update", "disable", "remove"]] = {
    "first_connection": "update",
    "guard": "disable",
    "removals": "remove",
}
_ORIGINS: Mapping[str, Origin] = {origin: origin for origin in get_args(Origin)}


class NewEvent(Protocol):
    """Puts an envelope around a body: fresh id, time, source, trace."""

    def __call__(
        self,
        data: EventData,
        *,
        district_id: str,
        origin: Origin,
        correlation_id: str,
        causation_id: str | None = None,
    ) -> Event:
        """Return the event, ready to emit."""
        ...


class FactToEvent:
    """Callable that maps a fact; raises Fatal for an origin that no event may have."""

    def __init__(self, new_event: NewEvent) -> None:
        self._new_event = new_event

    def __call__(self, fact: Fact) -> Event:
        """The event that tells of `fact`."""
        if fact.cause.origin not in _ORIGINS:
            raise Fatal("a stored origin is none of the contract's")
        return self._new_event(
            _data(fact),
            district_id=fact.plan.district_id if isinstance(fact, PlanFact) else fact.district_id,
            origin=_ORIGINS[fact.cause.origin],
            correlation_id=fact.cause.correlation_id,
            causation_id=fact.cause.causation_id,
        )


def _data(fact: Fact) -> EventData:
    match fact:
        case AccountNamed():
            return AccountNamedV1(
                person_id=fact.person_id,
                target=fact.target_id,
                username=fact.username,
                email=fact.email,
            )
        case AccountFact():
            return STEPS[fact.step](
                target=fact.target_id,
                person_id=fact.person_id,
                account_id=fact.account_id,
                attributes_changed=fact.attributes_changed,
                attempt=fact.attempt,
                error_code=fact.error_code,
            )
        case MembershipFact():
            moved = MembershipAdded if fact.added else MembershipRemoved
            return moved(
                target=fact.target_id,
                person_id=fact.person_id,
                account_id=fact.account_id,
                group_id=fact.group_id,
                reason=_REASONS[fact.reason],
            )
        case PlanFact():
            return _breaker(fact)
        case Drift():
            return DriftDetected(
                target=fact.target_id,
                person_id=fact.person_id,
                account_id=fact.account_id,
                field=fact.field,
                expected_hash=fact.expected_hash,
                actual_hash=fact.actual_hash,
            )


def _breaker(fact: PlanFact) -> BreakerFact:
    plan = fact.plan
    common: dict[str, Any] = {
        "hold_id": plan.plan_id,
        "guard": plan.guard,
        "subject_name": plan.target_id,
        "operation": _OPERATIONS[plan.kind],
        "count": plan.count,
        "population": plan.population,
        "percent": plan.percent,
        "limit": plan.limit,
        "limit_percent": None if plan.limit_share is None else 100 * plan.limit_share,
        "plan_hash": plan.decision.items_hash,
    }
    match fact.step:
        case PlanStep.HELD:
            return BreakerTripped(**common)
        case PlanStep.APPROVED:
            first, second = (*fact.by, None, None)[:2]
            return BreakerApproved(**common, approver=first or "setting", second_approver=second)
        case PlanStep.REJECTED:
            return BreakerRejected(**common, rejected_by=fact.by[0], reason=plan.reason)
        case PlanStep.EXPIRED:
            return BreakerExpired(**common)
