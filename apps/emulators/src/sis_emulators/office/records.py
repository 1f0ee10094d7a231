"""What an office keeps. Records are replaced, never changed in place.

`dcid` is a table's own number, so two tables hold the same numbers, as in PowerSchool.
"""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`version` counts the writes of the whole office; a `gone` record stays as a tombstone."""

    dcid: int
    modified: datetime
    version: int = 0
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class School(Record):
    """Grades are numbers, kindergarten is 0."""

    number: int
    name: str
    state_id: str
    low_grade: int
    high_grade: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Term(Record):
    """`portion` 1 is the whole year, 2 a half; `year` is the term of the year, if it is not it."""

    school: int
    name: str
    abbreviation: str
    start: date
    end: date
    start_year: int
    portion: int
    year: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course(Record):
    """One entry of the district's catalogue."""

    number: str
    name: str
    subject: str
    low_grade: int
    high_grade: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Section(Record):
    """A class; `teacher` is a `Staff.dcid`."""

    school: int
    course: int
    term: int
    teacher: int
    number: str
    period: int
    room: str
    grade: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Person(Record):
    """`person_id` is unique over all people of the office; `portal` is a sign-in account."""

    person_id: int
    given: str
    family: str
    middle: str = ""
    preferred: str = ""
    username: str
    email: str
    phone: str = ""
    portal: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Student(Person):
    """`status` as PowerSchool's: 0 active, -1 pre-registered, 2 transferred out."""

    number: int
    state_id: str
    gender: str
    born: date
    grade: int
    school: int
    entered: date
    left: date | None = None
    status: int = 0
    no_show: bool = False
    contacts: tuple[int, ...] = ()

    @property
    def active(self) -> bool:
        """Whether the student goes to school here today."""
        return self.status == 0 and not self.gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Someone's work at one school; `dcid` is its own number (PowerSchool's SCHOOLSTAFF)."""

    dcid: int
    school: int
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff(Person):
    """The first post is the main one. Roles: teacher, administrator, aide."""

    number: str
    title: str
    posts: tuple[Post, ...]
    status: int = 1

    @property
    def active(self) -> bool:
        """Whether they work here today."""
        return self.status == 1 and not self.gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact(Person):
    """A guardian or relative of students."""

    relation: str
    students: tuple[int, ...] = ()

    @property
    def active(self) -> bool:
        """A contact lives as long as its record."""
        return not self.gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment(Record):
    """A student in a section."""

    section: int
    student: int
    entered: date
    left: date | None = None
    dropped: bool = False

    @property
    def active(self) -> bool:
        """Whether the student sits there today."""
        return not self.dropped and not self.gone


@dataclass(frozen=True, slots=True, kw_only=True)
class District:
    """The office's own name."""

    uuid: str
    name: str
    number: str
    timezone: str
