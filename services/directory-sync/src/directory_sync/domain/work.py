"""What goes to and comes from the store when accounts are brought right. Pure data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from directory_sync.domain.account import AccountRecord, ActualAccount, Asked, Names
from directory_sync.domain.fact import Cause
from directory_sync.domain.ids import PersonId
from directory_sync.domain.person import Person, RosterClass


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
    review_on: date | None
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
    """The new state of our record; `error_code` None clears the last error.

    `unheeded` None leaves what the target did not take as it is. `named`: this commit tells the
    roster the names. `erased`: what names the person leaves our records with it.
    """

    person_id: PersonId
    names: Names | None
    actual: ActualAccount | None
    asked_at: datetime | None
    error_code: str | None
    cause: Cause
    unheeded: Asked | None = None
    named: bool = False
    erased: bool = False


def least(write: AccountWrite, person: Person | None) -> AccountWrite:
    """The write without what names an erased person, once nothing is to be done any more.

    Id and state of the account stay, so that it is known and kept off. Source: blueprint
    invariant 11.
    """
    actual = write.actual
    if person is not None or write.asked_at is not None or (actual and actual.enabled):
        return write
    bare = None if actual is None else replace(actual, username="", email=None, attributes={})
    return replace(write, names=None, actual=bare, unheeded={}, erased=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When a mark comes again, and the code of what stopped it this time."""

    person_id: PersonId
    at: datetime
    code: str
