"""Scopes that a rule describes, and which of them a record matches by itself. Pure.

A rule holds for a class when all its conditions do; what a class brings along (its enrolments,
their people) is worked out where the records are. The same conditions are the same scope, however
many grants name them. Source: ADR 0024.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final

import orjson

from roster_publisher.domain.records import Record

# No id of a record holds a colon, so no org's scope is ever taken for a rule's.
RULE_PREFIX: Final = "rule:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Conditions that must all hold; None = no condition. Values are kept sorted, each once.

    `schools` and `courses` are ids; `grades` and `subjects` are compared as they are written.
    Raises `ValueError` when there is no condition, or one that nothing could meet.
    """

    schools: tuple[str, ...] | None = None
    grades: tuple[str, ...] | None = None
    courses: tuple[str, ...] | None = None
    subjects: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        named = {name: values for name, values in given.items() if values is not None}
        if not named or not all(named.values()):
            message = "a rule has a condition, and each condition a value"
            raise ValueError(message)
        for name, values in named.items():
            object.__setattr__(self, name, tuple(sorted(set(values))))

    @property
    def scope_id(self) -> str:
        """The name of the scope: the same for the same conditions, however they were written."""
        return _scope_id(self)

    @property
    def takes_students(self) -> bool:
        """Whether students are in it by school and grade alone, without a class."""
        return self.courses is None and self.subjects is None

    def conditions(self) -> Mapping[str, tuple[str, ...]]:
        """The conditions by name, as they are stored and configured."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: values for name, values in given.items() if values is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What a class or a course says of grades and subjects; empty where it says nothing."""

    grades: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()

    def over(self, course: "Taught") -> "Taught":
        """A class's own words, and its course's where it has none."""
        return Taught(
            grades=self.grades or course.grades, subjects=self.subjects or course.subjects
        )


NOTHING: Final = Taught()


class RuleIndex:
    """Finds the rules of a district that a record matches: a few look-ups, however many there are.

    Rules are bits of a number. Per condition there is the number of the rules without it, and per
    value the number of those that name it; what is in all of them matches.
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        listed = sorted(set(rules), key=lambda rule: rule.scope_id)
        self._ids = [rule.scope_id for rule in listed]
        self._of_students = _bits(n for n, rule in enumerate(listed) if rule.takes_students)
        self._schools = _Condition([rule.schools for rule in listed])
        self._grades = _Condition([rule.grades for rule in listed])
        self._courses = _Condition([rule.courses for rule in listed])
        self._subjects = _Condition([rule.subjects for rule in listed])
        self._sets: dict[int, frozenset[str]] = {0: frozenset()}

    def __bool__(self) -> bool:
        return bool(self._ids)

    def of_org(self, org_id: str) -> frozenset[str]:
        """Rules whose schools hold the org; one that names no school has every org."""
        return self._named(self._schools.allows((org_id,)))

    def of_class(self, *, school: str, course: str, taught: Taught) -> frozenset[str]:
        """Rules that hold for a class; `taught` is its own, or its course's where it has none."""
        return self._named(
            self._schools.allows((school,))
            & self._grades.allows(taught.grades)
            & self._courses.allows((course,))
            & self._subjects.allows(taught.subjects)
        )

    def of_student(self, *, schools: Collection[str], grades: Collection[str]) -> frozenset[str]:
        """Rules that hold for somebody who is a student at `schools`, in `grades`."""
        if not schools:
            return frozenset()
        return self._named(
            self._of_students & self._schools.allows(schools) & self._grades.allows(grades)
        )

    def _named(self, bits: int) -> frozenset[str]:
        found = self._sets.get(bits)
        if found is None:
            found = frozenset(one for n, one in enumerate(self._ids) if bits >> n & 1)
            # As many as there are combinations in the roster: schools times grades at most.
            self._sets[bits] = found
        return found


class _Condition:
    """One condition of all rules, as bits."""

    def __init__(self, wanted: Collection[tuple[str, ...] | None]) -> None:
        self._without = _bits(n for n, values in enumerate(wanted) if values is None)
        self._by_value: dict[str, int] = {}
        for n, values in enumerate(wanted):
            for value in values or ():
                self._by_value[value] = self._by_value.get(value, 0) | 1 << n

    def allows(self, values: Iterable[str]) -> int:
        """Rules without the condition, and those that name one of `values`."""
        bits = self._without
        for value in values:
            bits |= self._by_value.get(value, 0)
        return bits


def taught(record: Record) -> Taught:
    """What a class's or course's record says itself."""
    return Taught(grades=_texts(record.get("grades")), subjects=_texts(record.get("subjects")))


def student_places(record: Record, shown_orgs: Collection[str]) -> frozenset[str]:
    """Orgs, of those shown, where the user's record says they are a student."""
    return frozenset(
        role["org"]["sourcedId"]
        for role in record.get("roles", ())
        if role["role"] == "student" and role["org"]["sourcedId"] in shown_orgs
    )


def grades_of(record: Record) -> tuple[str, ...]:
    """The grades a user's record says."""
    return _texts(record.get("grades"))


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in values) if isinstance(values, (list, tuple)) else ()


def _bits(places: Iterable[int]) -> int:
    return sum(1 << place for place in places)


@lru_cache(maxsize=10_000)
def _scope_id(rule: Rule) -> str:
    text = orjson.dumps(rule.conditions(), option=orjson.OPT_SORT_KEYS)
    return RULE_PREFIX + hashlib.blake2b(text, digest_size=16).hexdigest()
