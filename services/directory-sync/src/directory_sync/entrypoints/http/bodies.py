"""Bodies of the operators' pages. Shown to people with a token only: they hold names."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from directory_sync.domain.group_view import GroupCounts
from directory_sync.domain.view import TargetCounts
from directory_sync.usecases.show_accounts import ShownAccount


class Body(BaseModel):
    """Base: camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class WaitingBody(Body):
    """Work that is still to do for this account."""

    since: datetime
    attempts: int
    next_attempt_at: datetime
    error_code: str | None


class HeldByBody(Body):
    """The plan that decides about this account; `state` is where the account stands in it."""

    plan_id: str
    state: str


class AccountBody(Body):
    """One person's account in one target; `state` is none, reserved, enabled or disabled.

    `reason` says why it should be so; `heldBy`, why it is not yet. `unheeded` names attributes
    that the target did not take though it said yes; they are not asked for again.
    """

    district: str
    target: str
    state: str
    reason: str
    account_id: str | None
    username: str | None
    username_from: str | None
    email: str | None
    attributes: dict[str, str]
    unheeded: list[str]
    confirmed_at: datetime | None
    correlation_id: str
    last_error_code: str | None
    last_error_at: datetime | None
    waiting: WaitingBody | None
    held_by: HeldByBody | None


class AccountsBody(Body):
    """All accounts of one person."""

    person_id: str
    accounts: list[AccountBody]


class GroupCountsBody(Body):
    """One target's groups in numbers; `held` counts removals that wait for a person."""

    groups: int
    memberships: int
    held: int
    waiting: int
    failing: dict[str, int]


class TargetBody(Body):
    """One target in numbers. `liveAt` is null while its first connection waits for a person."""

    district: str
    target: str
    first_read_at: datetime | None
    live_at: datetime | None
    last_read_at: datetime | None
    last_read_outcome: str | None
    open_plans: int
    accounts: dict[str, int]
    waiting: int
    oldest_waiting_since: datetime | None
    failing: dict[str, int]
    groups: GroupCountsBody | None


class StatusBody(Body):
    """All targets in numbers."""

    targets: list[TargetBody]


def account_body(shown: ShownAccount) -> AccountBody:
    """The body for one stored row."""
    row = shown.row
    record = row.record
    names = None if record is None else record.names
    actual = None if record is None else record.actual
    waiting = row.waiting
    return AccountBody(
        district=row.district_id,
        target=row.target_id,
        state=_state(shown),
        reason=shown.reason,
        account_id=None if actual is None else actual.account_id,
        username=None if names is None else names.username,
        username_from=None if names is None else names.source.value,
        email=None if names is None else names.email,
        attributes={} if actual is None else dict(actual.attributes),
        unheeded=[] if record is None else sorted(record.unheeded),
        confirmed_at=row.confirmed_at,
        correlation_id=row.correlation_id,
        last_error_code=row.error_code,
        last_error_at=row.error_at,
        waiting=None
        if waiting is None
        else WaitingBody(
            since=waiting.since,
            attempts=waiting.attempts,
            next_attempt_at=waiting.next_attempt_at,
            error_code=waiting.error_code,
        ),
        held_by=None
        if row.held is None
        else HeldByBody(plan_id=row.held.plan_id, state=row.held.state.value),
    )


def target_body(counts: TargetCounts, groups: GroupCounts | None) -> TargetBody:
    """The body for one target's numbers."""
    return TargetBody(
        district=counts.district_id,
        target=counts.target_id,
        first_read_at=None if counts.state is None else counts.state.first_read_at,
        live_at=None if counts.state is None else counts.state.live_at,
        last_read_at=None if counts.state is None else counts.state.last_read_at,
        last_read_outcome=None if counts.state is None else counts.state.last_read_outcome,
        open_plans=counts.open_plans,
        accounts=dict(counts.accounts),
        waiting=counts.waiting,
        oldest_waiting_since=counts.oldest_waiting_since,
        failing=dict(counts.failing),
        groups=None if groups is None else _groups_body(groups),
    )


def _groups_body(groups: GroupCounts) -> GroupCountsBody:
    return GroupCountsBody(
        groups=groups.groups,
        memberships=groups.memberships,
        held=groups.held,
        waiting=groups.waiting,
        failing=dict(groups.failing),
    )


def _state(shown: ShownAccount) -> str:
    record = shown.row.record
    if record is None:
        return "none"
    if record.actual is None:
        return "reserved"
    return record.actual.state
