"""What this service knows of a person and of a class, and when a person's roles count.

Pure. Holds the least data that an account or a group is made from; birth dates, grades and
contact numbers never come here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from directory_sync.domain.ids import PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role at one org. `begin` is inclusive, `end` exclusive, None is open.

    The org's name and type are as the person's state tells them. Source: OneRoster 1.2, User.roles.
    """

    role: str
    role_type: str
    org_id: str
    begin: date | None
    end: date | None
    org_name: str | None = None
    org_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A place in a class, as student or teacher. Dates as in `Role`."""

    class_id: str
    role: str
    school_id: str
    begin: date | None
    end: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person of the roster. `active` is the roster's status, `enabled` the SIS's own switch."""

    person_id: PersonId
    active: bool
    enabled: bool
    given_name: str
    family_name: str
    preferred_first_name: str | None
    preferred_last_name: str | None
    username: str | None
    email: str | None
    primary_org_id: str | None
    roles: tuple[Role, ...]
    seats: tuple[Seat, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterClass:
    """One class of the roster, as much of it as a group needs.

    `begin` (inside) is its first term's, `end` (outside) its last one's; None is open.
    """

    class_id: str
    active: bool
    title: str
    class_code: str | None
    school_id: str | None
    school_name: str | None
    begin: date | None = None
    end: date | None = None


def is_current(role: Role, today: date) -> bool:
    """Whether the role counts on `today`, a date in the district's zone."""
    return (role.begin is None or role.begin <= today) and (role.end is None or today < role.end)


def current_role(person: Person, *, roles: frozenset[str], today: date) -> Role | None:
    """The role that gives this person an account, or None when nothing does.

    A primary role goes before a secondary one, then by role name and org, so that two processes
    name the same one.
    """
    if not (person.active and person.enabled):
        return None
    counting = [r for r in person.roles if r.role in roles and is_current(r, today)]
    if not counting:
        return None
    return min(counting, key=lambda r: (r.role_type != "primary", r.role, r.org_id))


def why(person: Person, *, roles: frozenset[str], today: date) -> str:
    """A stable code for whether this person gets an account: `role:student`, `no_current_role` …"""
    role = current_role(person, roles=roles, today=today)
    if role is not None:
        return f"role:{role.role}"
    if not person.active:
        return "not_on_roster"
    return "no_current_role" if person.enabled else "disabled_in_sis"


def next_review(person: Person, *, today: date) -> date | None:
    """The next date on which a role or seat begins or ends, so the answer may change by itself."""
    return min(_dates_after(person, today), default=None)


def _dates_after(person: Person, today: date) -> Iterable[date]:
    spells: tuple[Role | Seat, ...] = (*person.roles, *person.seats)
    for spell in spells:
        for day in (spell.begin, spell.end):
            if day is not None and day > today:
                yield day
