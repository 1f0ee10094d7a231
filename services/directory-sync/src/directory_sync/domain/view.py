"""What operators are shown of accounts and targets. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from directory_sync.domain.account import AccountRecord
from directory_sync.domain.ids import DistrictId, TargetId
from directory_sync.domain.person import Person
from directory_sync.domain.plans import ItemState
from directory_sync.domain.target_state import TargetState


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A mark as operators see it."""

    since: datetime
    attempts: int
    next_attempt_at: datetime
    error_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBy:
    """The plan that decides about an account, and where the account's item stands in it."""

    plan_id: str
    state: ItemState


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """What is stored about one person in one target; `record` None means no account ever."""

    district_id: DistrictId
    target_id: TargetId
    person: Person | None
    record: AccountRecord | None
    confirmed_at: datetime | None
    correlation_id: str
    error_code: str | None
    error_at: datetime | None
    waiting: Waiting | None
    held: HeldBy | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetCounts:
    """One target in numbers; `state` None: never read. `waiting` counts marks.

    `failing` counts those of them that failed, by code.
    """

    district_id: DistrictId
    target_id: TargetId
    state: TargetState | None
    open_plans: int
    accounts: Mapping[str, int]
    waiting: int
    oldest_waiting_since: datetime | None
    failing: Mapping[str, int]
