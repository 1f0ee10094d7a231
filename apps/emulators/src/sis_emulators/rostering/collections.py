"""The collections of a roster: what is in each, sorted by sourcedId."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sis_emulators.office.records import Person
from sis_emulators.office.tables import Office, R
from sis_emulators.rostering.dialect import Dialect, roles_of
from sis_emulators.rostering.shapes import Body, Shapes


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One record of a collection; its body is written when a page is."""

    sourced_id: str
    modified: datetime
    write: Callable[[Shapes], Body]


class Collections:
    """All collections of one dialect, made anew when the office has written."""

    def __init__(self, office: Office, dialect: Dialect) -> None:
        self._office = office
        self._dialect = dialect
        self._names = dialect.names
        self._made: dict[str, list[Item]] = {}
        self._version = -1
        self._members: dict[str, Callable[[], Iterator[Item]]] = {
            "orgs": self._orgs,
            "schools": self._schools,
            "academicSessions": partial(self._sessions, portions=(1, 2)),
            "terms": partial(self._sessions, portions=(2,)),
            "gradingPeriods": partial(self._sessions, portions=()),
            "courses": self._courses,
            "classes": self._sections,
            "users": self._users,
            "students": partial(self._users, role="student"),
            "teachers": partial(self._users, role="teacher"),
            "enrollments": self._enrolments,
            "demographics": self._demographics,
        }

    def names(self) -> tuple[str, ...]:
        """The names of all collections."""
        return tuple(self._members)

    def items(self, name: str) -> list[Item]:
        """A collection, sorted by sourcedId."""
        if self._version != self._office.version:
            self._version, self._made = self._office.version, {}
        if name not in self._made:
            self._made[name] = sorted(self._members[name](), key=lambda item: item.sourced_id)
        return self._made[name]

    def _orgs(self) -> Iterator[Item]:
        first = next(iter(self._office.schools.rows.values()))
        yield _item(self._names.org(None), first, Shapes.district)
        yield from self._schools()

    def _schools(self) -> Iterator[Item]:
        for row in self._office.schools.rows.values():
            yield _item(self._names.org(row.dcid), row, Shapes.school)

    def _sessions(self, *, portions: tuple[int, ...]) -> Iterator[Item]:
        for row in self._office.terms.rows.values():
            if row.portion in portions:
                yield _item(self._names.session(row.dcid), row, Shapes.session)

    def _courses(self) -> Iterator[Item]:
        for row in self._office.courses.rows.values():
            yield _item(self._names.course(row.dcid), row, Shapes.course)

    def _sections(self) -> Iterator[Item]:
        for row in self._office.sections.rows.values():
            yield _item(self._names.section(row.dcid), row, Shapes.section)

    def _users(self, role: str = "") -> Iterator[Item]:
        for table in (self._office.students, self._office.staff, self._office.contacts):
            for row in table.rows.values():
                if isinstance(row, Person) and self._dialect.sees(row):
                    yield from self._user(row, role)

    def _user(self, row: Person, wanted: str) -> Iterator[Item]:
        """One user, or one for each role; only those in the wanted role, if one is."""
        roles = list(roles_of(row, lambda student: self._office.students.get(student).school))
        if wanted and wanted not in roles:
            return
        if not self._dialect.record_per_role:
            yield self._in_role(row, roles[0])
            return
        for role in roles:
            if wanted in ("", role):
                yield self._in_role(row, role)

    def _in_role(self, row: Person, role: str) -> Item:
        sourced_id = self._names.person(row, role)
        return _item(sourced_id, row, lambda shapes, person: shapes.user(person, role))

    def _enrolments(self) -> Iterator[Item]:
        for row in self._office.enrolments.rows.values():
            if self._dialect.sees(self._office.students.get(row.student)):
                yield _item(self._names.seat(row.dcid), row, Shapes.seat)
        for section in self._office.sections.rows.values():
            if self._dialect.sees(self._office.staff.get(section.teacher)):
                yield _item(self._names.teaching(section.dcid), section, Shapes.teaching)

    def _demographics(self) -> Iterator[Item]:
        for row in self._office.students.rows.values():
            if self._dialect.sees(row):
                yield _item(self._names.person(row, "student"), row, Shapes.demographics)


def _item(sourced_id: str, row: R, write: Callable[[Shapes, R], Body]) -> Item:
    return Item(
        sourced_id=sourced_id, modified=row.modified, write=lambda shapes: write(shapes, row)
    )
