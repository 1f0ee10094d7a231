"""The office: its tables, its counter of writes, and who is told of a write."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Generic, Literal, TypeVar

from sis_emulators.clock import Clock
from sis_emulators.office.records import (
    Contact,
    Course,
    District,
    Enrolment,
    Record,
    School,
    Section,
    Staff,
    Student,
    Term,
)

R = TypeVar("R", bound=Record)
Kind = Literal["INSERT", "UPDATE", "DELETE", "SCHOOL_ENROLLMENT"]


class Table(Generic[R]):
    """Records by number, in the order of their numbers; `version` is that of its last write."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: dict[int, R] = {}
        self.version = 0
        self._next = 1

    def number(self) -> int:
        """A number never given out before."""
        self._next += 1
        return self._next - 1

    def keep(self, record: R) -> R:
        """Puts a record in its place."""
        self.rows[record.dcid] = record
        self.version = max(self.version, record.version)
        return record

    def get(self, dcid: int) -> R:
        """The record, tombstone or not; KeyError where there never was one."""
        return self.rows[dcid]

    def live(self) -> Iterator[R]:
        """All but the tombstones."""
        return (row for row in self.rows.values() if not row.gone)

    def since(self, version: int) -> Iterator[R]:
        """What was written after `version`, tombstones too."""
        return (row for row in self.rows.values() if row.version > version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write, as those hear of it who asked."""

    table: str
    kind: Kind
    record: Record


@dataclass(slots=True, kw_only=True)
class Office:
    """Everything one district's office knows."""

    district: District
    clock: Clock
    filled_at: datetime
    schools: Table[School] = field(default_factory=lambda: Table("schools"))
    terms: Table[Term] = field(default_factory=lambda: Table("terms"))
    courses: Table[Course] = field(default_factory=lambda: Table("courses"))
    sections: Table[Section] = field(default_factory=lambda: Table("sections"))
    staff: Table[Staff] = field(default_factory=lambda: Table("staff"))
    students: Table[Student] = field(default_factory=lambda: Table("students"))
    contacts: Table[Contact] = field(default_factory=lambda: Table("contacts"))
    enrolments: Table[Enrolment] = field(default_factory=lambda: Table("enrolments"))
    version: int = 0
    generation: int = 0
    people: int = 0
    posts: int = 0
    listeners: list[Callable[[Write], None]] = field(default_factory=list)
    # Numbers of enrolments by student and by section, so that no deed reads them all.
    _seats: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    _rolls: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def table(self, name: str) -> Table[Record]:
        """A table by its name; KeyError for an unknown one."""
        found = {table.name: table for table in self.tables()}
        return found[name]

    def tables(self) -> tuple[Table[Record], ...]:
        """All tables, those referred to first."""
        return (  # type: ignore[return-value]  # read only, where a subclass is a Record
            self.schools, self.terms, self.courses, self.staff,
            self.sections, self.contacts, self.students, self.enrolments,
        )  # fmt: skip

    def year_start(self) -> date:
        """The first day of school."""
        return date(self.filled_at.year, 8, 15)

    def keep(self, table: Table[R], record: R) -> R:
        """Keeps a record as it was when the office opened; nobody is told."""
        self.version += 1
        return self._put(table, replace(record, modified=self.filled_at, version=self.version))

    def write(self, table: Table[R], record: R, *, kind: Kind = "UPDATE") -> R:
        """Stamps the record, keeps it and tells the listeners."""
        self.version += 1
        stamped = replace(record, modified=self.clock.stamp(), version=self.version)
        self._put(table, stamped)
        for listener in self.listeners:
            listener(Write(table=table.name, kind=kind, record=stamped))
        return stamped

    def person_id(self) -> int:
        """The next number over all people."""
        self.people += 1
        return 100_000 + self.people

    def post_id(self) -> int:
        """The next number of a post."""
        self.posts += 1
        return 500 + self.posts

    def seats(self, student: int) -> list[Enrolment]:
        """The classes a student sits in today."""
        every = (self.enrolments.get(dcid) for dcid in sorted(self._seats[student]))
        return [row for row in every if row.student == student and row.active]

    def roll(self, section: int) -> list[Enrolment]:
        """All enrolments of a class, those that ended too."""
        every = (self.enrolments.get(dcid) for dcid in sorted(self._rolls[section]))
        return [row for row in every if row.section == section and not row.gone]

    def drop(self, table: Table[R], dcid: int) -> R:
        """Deletes a record: its tombstone stays."""
        return self.write(table, replace(table.get(dcid), gone=True), kind="DELETE")

    def _put(self, table: Table[R], record: R) -> R:
        if isinstance(record, Enrolment):
            self._seats[record.student].add(record.dcid)
            self._rolls[record.section].add(record.dcid)
        return table.keep(record)
