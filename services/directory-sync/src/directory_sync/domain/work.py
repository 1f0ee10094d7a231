"""What goes to and comes from the store when accounts are brought right. Pure data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, auto

from directory_sync.domain.account import AccountRecord, ActualAccount, Names
from directory_sync.domain.fact import Cause
from directory_sync.domain.ids import PersonId
from directory_sync.domain.person import Person, RosterClass


class LookAt(Enum):
    """Which persons to plan without claiming them; the last two are those of a guard's backlog
    whose account allows the action and who neither passed nor are held.
    """

    EVERYONE = auto()
    MARKED = auto()
    MAY_DISABLE = auto()
    MAY_CREATE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonChange:
    """What the roster says of a person now; `person` None means erased."""

    person_id: PersonId
    person: Person | None
    review_on: date | None
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassChange:
    """What the roster says of a class now; `roster_class` None means erased."""

    class_id: str
    roster_class: RosterClass | None
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A person whose roles may count differently today, and when to look again."""

    person_id: PersonId
    review_on: date | None
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """One person to bring right in one target, held under a lease.

    `found` are accounts of the target's first read that may be this person's. `attempt` counts
    from 1 since the mark was set; `generation` tells whether a newer mark came meanwhile.
    """

    person_id: PersonId
    person: Person | None
    record: AccountRecord | None
    found: Sequence[ActualAccount]
    cause: Cause
    attempt: int
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountWrite:
    """The new state of our record; `error_code` None clears the last error."""

    person_id: PersonId
    names: Names | None
    actual: ActualAccount | None
    asked_at: datetime | None
    error_code: str | None
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When a mark comes again, and the code of what stopped it this time."""

    person_id: PersonId
    at: datetime
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """Where a target stands. `live_at` None: its first connection waits for a person.

    `read_outcome` is that of the last full reading: `believed` or `not_believed`.
    """

    first_read_at: datetime
    live_at: datetime | None
    last_read_at: datetime | None
    read_outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An account of ours as last confirmed, for comparison with a full reading."""

    person_id: PersonId
    names: Names | None
    actual: ActualAccount
