"""The self-contained state of one person and of one class, from published records. Pure.

What has ended is left out; what has yet to begin is in, with its date, so that consumers can
prepare. What points at something not shown is left out. Source: blueprint, "who owns what".
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson

from roster_publisher.domain.names import NameAuthority, as_said
from roster_publisher.domain.records import Record, Status, ref_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgFacts:
    """What a state says about an org."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentFacts:
    """An active enrolment of an active class, both shown."""

    class_id: str
    course_id: str
    school_id: str
    role: str
    record: Record
    title: str
    class_code: str | None
    term_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFacts:
    """A shown user with everything its state needs."""

    person_id: str
    status: Status
    record: Record
    enrolments: Sequence[EnrolmentFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleHeld:
    """A role at an org that is shown; `begin` is inside, `end` outside."""

    role: str
    role_type: str
    org_id: str
    org_name: str
    org_type: str
    begin: date | None
    end: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassAttended:
    """A class learned or taught in; `begin` is inside, `end` outside."""

    class_id: str
    role: str
    school_id: str
    title: str
    class_code: str | None
    school_name: str | None
    term_ids: tuple[str, ...]
    begin: date | None
    end: date | None
    primary: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person as consumers see one; `fields` are the plain values by OneRoster's names."""

    person_id: str
    status: Status
    enabled: bool
    fields: Mapping[str, Any]
    roles: tuple[RoleHeld, ...]
    primary_org_id: str | None
    classes: tuple[ClassAttended, ...]

    def roles_on(self, day: date) -> tuple[RoleHeld, ...]:
        """Roles in force on `day`; somebody to be deleted holds none."""
        if self.status != "active":
            return ()
        return tuple(role for role in self.roles if role.begin is None or role.begin <= day)

    def next_date_after(self, day: date) -> date | None:
        """The first day after `day` on which something begins or ends."""
        spans: Iterable[RoleHeld | ClassAttended] = (*self.roles, *self.classes)
        days = [d for span in spans for d in (span.begin, span.end) if d and d > day]
        return min(days, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A term of a class; `begin` is inside, `end` outside."""

    id: str
    title: str | None
    begin: date | None
    end: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """A class as consumers see one."""

    class_id: str
    status: Status
    title: str
    class_code: str | None
    class_type: str | None
    course_id: str | None
    course_title: str | None
    school_id: str | None
    school_name: str | None
    terms: tuple[Term, ...]
    grades: tuple[str, ...]
    subjects: tuple[str, ...]
    periods: tuple[str, ...]


_PLAIN = (
    "givenName",
    "familyName",
    "middleName",
    "preferredFirstName",
    "preferredLastName",
    "identifier",
    "userMasterIdentifier",
    "username",
    "email",
)


def person_of(
    facts: PersonFacts, orgs: Mapping[str, OrgFacts], *, today: date, authority: NameAuthority
) -> Person:
    """State of one person on `today` in the district's zone; allocated names are never in it."""
    record = as_said(facts.record, authority)
    primary = ref_id(record, "primaryOrg")
    return Person(
        person_id=facts.person_id,
        status=facts.status,
        enabled=bool(record["enabledUser"]),
        fields={name: record[name] for name in _PLAIN if record.get(name) is not None}
        | {"grades": tuple(record.get("grades") or ())},
        roles=_roles(record, orgs, today),
        primary_org_id=primary if primary in orgs else None,
        classes=tuple(
            sorted(
                _classes(facts.enrolments, orgs, today),
                key=lambda c: (c.class_id, c.role, str(c.begin)),
            )
        ),
    )


def state_hash(state: Person | Class) -> bytes:
    """16 bytes over everything the state says."""
    return hashlib.blake2b(
        orjson.dumps(state, option=orjson.OPT_SORT_KEYS), digest_size=16
    ).digest()


def day_of(record: Record, field: str) -> date | None:
    """The date in `field`, if there is one."""
    value = record.get(field)
    return None if value is None else date.fromisoformat(value)


def _roles(record: Record, orgs: Mapping[str, OrgFacts], today: date) -> tuple[RoleHeld, ...]:
    held = []
    for role in record["roles"]:
        org_id = role["org"]["sourcedId"]
        end = day_of(role, "endDate")
        if org_id not in orgs or (end is not None and end <= today):
            continue
        held.append(
            RoleHeld(
                role=role["role"],
                role_type=role["roleType"],
                org_id=org_id,
                org_name=orgs[org_id].name,
                org_type=orgs[org_id].type,
                begin=day_of(role, "beginDate"),
                end=end,
            )
        )
    return tuple(held)


def _classes(
    enrolments: Iterable[EnrolmentFacts], orgs: Mapping[str, OrgFacts], today: date
) -> Iterable[ClassAttended]:
    for one in enrolments:
        end = day_of(one.record, "endDate")
        if end is not None and end <= today:
            continue
        school = orgs.get(one.school_id)
        yield ClassAttended(
            class_id=one.class_id,
            role=one.role,
            school_id=one.school_id,
            title=one.title,
            class_code=one.class_code,
            school_name=school.name if school else None,
            term_ids=one.term_ids,
            begin=day_of(one.record, "beginDate"),
            end=end,
            primary=one.record.get("primary"),
        )
