"""Which groups there must be, and who belongs to each. Pure.

A class in force has one group of its students and teachers; a school has one of its students and
one of its staff. A key is made of the roster's id alone, so that a new title renames a group and
never makes a second one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, NewType

from directory_sync.domain.ids import PersonId
from directory_sync.domain.person import Person, RosterClass
from directory_sync.domain.policy import Policy

GroupKey = NewType("GroupKey", str)

_CLASS_KEY: Final = "k12:class:"
_SCHOOL_KEY: Final = "k12:school:"
_SCHOOL: Final = "school"
_STUDENT: Final = "student"
_SEATED: Final = frozenset({"student", "teacher"})
# Roles of a household: they stand at a school and are neither its students nor its staff.
_FAMILY: Final = frozenset({"guardian", "parent", "relative"})


class GroupKind(StrEnum):
    """Whom a group gathers."""

    CLASS = "class"
    STUDENTS = "students"
    STAFF = "staff"

    @property
    def reason(self) -> str:
        """Why somebody belongs there, in the words of the events: `class` or `org`."""
        return "class" if self is GroupKind.CLASS else "org"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class GroupName:
    """Which group it is: the kind, and the roster's id of the class or school."""

    kind: GroupKind
    subject_id: str

    @property
    def key(self) -> GroupKey:
        """What the group carries in a target: `k12:class:<id>`, `k12:school:<id>:students`."""
        if self.kind is GroupKind.CLASS:
            return GroupKey(f"{_CLASS_KEY}{self.subject_id}")
        return GroupKey(f"{_SCHOOL_KEY}{self.subject_id}:{self.kind}")

    def wanted(self, policy: Policy) -> bool:
        """Whether the target wants groups of this kind."""
        return (_SCHOOL if self.kind is not GroupKind.CLASS else "class") in policy.groups


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Why a person belongs to a group, and when: `begin` inside, `end` outside, "" is open.

    `number` tells several places of one person in one group apart. `school_name` is what the
    person's role calls the school. Days are ISO text, so that places compare and sort.
    """

    name: GroupName
    number: int
    role: str
    begin: str
    end: str
    school_name: str

    def counts(self, today: date) -> bool:
        """Whether the place counts on `today`, a date in the district's zone."""
        day = today.isoformat()
        return self.begin <= day and (not self.end or day < self.end)


def class_group(class_id: str) -> GroupName:
    """The group of a class."""
    return GroupName(kind=GroupKind.CLASS, subject_id=class_id)


def name_of(key: str) -> GroupName | None:
    """The group that a key names; None when the key is none of ours."""
    if key.startswith(_CLASS_KEY) and len(key) > len(_CLASS_KEY):
        return class_group(key.removeprefix(_CLASS_KEY))
    for kind in (GroupKind.STUDENTS, GroupKind.STAFF):
        org_id = key.removeprefix(_SCHOOL_KEY).removesuffix(f":{kind}")
        if org_id and key == f"{_SCHOOL_KEY}{org_id}:{kind}":
            return GroupName(kind=kind, subject_id=org_id)
    return None


def places_of(person: Person | None) -> frozenset[Place]:
    """Every place that this person has, had or will have; none when not active or erased."""
    if person is None or not (person.active and person.enabled):
        return frozenset()
    found = {
        (GroupName(kind=_kind(r.role), subject_id=r.org_id), r.role, r.begin, r.end, r.org_name)
        for r in person.roles
        if r.org_type == _SCHOOL and r.role not in _FAMILY
    } | {
        (class_group(s.class_id), s.role, s.begin, s.end, None)
        for s in person.seats
        if s.role in _SEATED
    }
    spells = sorted((n, role, _iso(b), _iso(e), shown or "") for n, role, b, e, shown in found)
    seen: dict[GroupName, int] = {}
    places = set()
    for name, role, begin, end, school_name in spells:
        seen[name] = seen.get(name, -1) + 1
        places.add(
            Place(
                name=name,
                number=seen[name],
                role=role,
                begin=begin,
                end=end,
                school_name=school_name,
            )
        )
    return frozenset(places)


def touched(before: Iterable[Place], after: Iterable[Place]) -> frozenset[GroupName]:
    """Groups whose members or name may differ once `before` has become `after`."""
    return frozenset(place.name for place in frozenset(before) ^ frozenset(after))


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredGroup:
    """How the group must be: its name, and its members by the target's account id."""

    display_name: str
    members: Mapping[str, PersonId]


def shown_class(roster_class: RosterClass) -> str:
    """A class's group name: its title, and its code where that says more."""
    code = roster_class.class_code
    return f"{roster_class.title} ({code})" if code else roster_class.title


def shown_school(kind: GroupKind, school_name: str) -> str:
    """A school's group name, for example `Hill School: students`."""
    return f"{school_name}: {kind}"


def in_force(roster_class: RosterClass | None, today: date) -> bool:
    """Whether the class is held: active, and between its first term's begin and last one's end."""
    if roster_class is None or not roster_class.active:
        return False
    begun = roster_class.begin is None or roster_class.begin <= today
    return begun and (roster_class.end is None or today < roster_class.end)


def belonging(
    name: GroupName,
    places: Sequence[tuple[PersonId, Place]],
    *,
    roster_class: RosterClass | None,
    policy: Policy,
    today: date,
) -> frozenset[PersonId]:
    """Who must be a member today, with or without an account."""
    held = name.kind is not GroupKind.CLASS or in_force(roster_class, today)
    if not (held and name.wanted(policy)):
        return frozenset()
    return frozenset(
        person_id
        for person_id, place in places
        if place.counts(today) and (name.kind is GroupKind.CLASS or place.role in policy.roles)
    )


def kinds_wanted(policy: Policy) -> tuple[GroupKind, ...]:
    """The kinds of groups that the target wants."""
    return tuple(k for k in GroupKind if GroupName(kind=k, subject_id="").wanted(policy))


def next_class_review(roster_class: RosterClass, *, today: date) -> date | None:
    """The next date on which the class begins or ends."""
    days = (roster_class.begin, roster_class.end)
    return min((day for day in days if day is not None and day > today), default=None)


def _kind(role: str) -> GroupKind:
    return GroupKind.STUDENTS if role == _STUDENT else GroupKind.STAFF


def _iso(day: date | None) -> str:
    return "" if day is None else day.isoformat()
