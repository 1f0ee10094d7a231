"""Our facts -> events of the registry. The enumeration is repeated here on purpose: a change of a
domain word must not change the wire unseen (tests/unit/directory-sync compares them).
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol, get_args

from directory_sync.domain.fact import (
    AccountFact,
    AccountNamed,
    AccountStep,
    Drift,
    Fact,
    PlanFact,
    PlanStep,
)
from directory_sync.domain.guard import CREATE, DISABLE, REMOVE_MEMBER
from roster_common.contracts.directory_account_v1 import (
    AccountAction,
    AccountCreated,
    AccountDisabled,
    AccountEnabled,
    AccountFailed,
    AccountUpdated,
)
from roster_common.contracts.directory_account_v1 import AccountNamed as AccountNamedV1
from roster_common.contracts.directory_state_v1 import DriftDetected
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
_OPERATIONS: Final[Mapping[str, Literal["add", "update", "remove", "disable"]]] = {
    CREATE: "add",
    DISABLE: "disable",
    REMOVE_MEMBER: "remove",
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
            district_id=fact.district_id,
            origin=_ORIGINS[fact.cause.origin],
            correlation_id=fact.cause.correlation_id,
            causation_id=fact.cause.causation_id,
        )


def _data(fact: Fact) -> EventData:
    match fact:
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


def _breaker(fact: PlanFact) -> BreakerFact:
    common: dict[str, Any] = {
        "hold_id": fact.plan_id,
        "guard": "first_connection" if fact.action is None else f"accounts.{fact.action}",
        "subject_name": fact.target_id,
        "operation": _OPERATIONS.get(fact.action or "", "update"),
        "count": fact.count,
        "population": fact.population,
        "percent": fact.percent,
        "limit": fact.limit,
        "limit_percent": None if fact.limit_share is None else round(100 * fact.limit_share, 2),
        "plan_hash": fact.items_hash,
    }
    match fact.step:
        case PlanStep.HELD:
            return BreakerTripped(**common)
        case PlanStep.APPROVED:
            second = fact.by[1] if len(fact.by) > 1 else None
            return BreakerApproved(**common, approver=fact.by[0], second_approver=second)
        case PlanStep.REJECTED:
            return BreakerRejected(**common, rejected_by=fact.by[0], reason=fact.reason)
        case PlanStep.EXPIRED:
            return BreakerExpired(**common)
