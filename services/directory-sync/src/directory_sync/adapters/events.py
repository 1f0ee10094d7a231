"""Our facts -> events of the registry. The enumeration is repeated here on purpose: a change of a
domain word must not change the wire unseen (tests/unit/directory-sync compares them).
"""

from collections.abc import Mapping
from typing import Literal, Protocol, get_args

from directory_sync.domain.fact import AccountFact, AccountNamed, AccountStep, Fact, MembershipFact
from roster_common.contracts.directory_account_v1 import (
    AccountAction,
    AccountCreated,
    AccountDisabled,
    AccountEnabled,
    AccountFailed,
    AccountUpdated,
)
from roster_common.contracts.directory_account_v1 import AccountNamed as AccountNamedV1
from roster_common.contracts.directory_state_v1 import MembershipAdded, MembershipRemoved
from roster_common.contracts.envelope import Event, EventData, Origin
from roster_common.errors import Fatal

STEPS: Mapping[AccountStep, type[AccountAction]] = {
    AccountStep.CREATED: AccountCreated,
    AccountStep.UPDATED: AccountUpdated,
    AccountStep.DISABLED: AccountDisabled,
    AccountStep.ENABLED: AccountEnabled,
    AccountStep.FAILED: AccountFailed,
}
_REASONS: Mapping[str, Literal["class", "org"]] = {"class": "class", "org": "org"}
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
