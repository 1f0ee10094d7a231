"""A made-up district from a seed: the same seed and size give the same people.

About one school for 500 students, classes of up to 25, six classes a student, one or two contacts
each. The school year follows the clock, so that terms are current.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from random import Random
from uuid import UUID

from sis_emulators.clock import Clock
from sis_emulators.office import making, names
from sis_emulators.office.records import Course, District, Enrolment, School, Section, Term
from sis_emulators.office.tables import Office

MOST_STUDENTS = 15_000
CLASS_SIZE = 25
SCHOOL_SIZE = 500
LEVELS = (("Elementary School", 0, 5), ("Middle School", 6, 8), ("High School", 9, 12))
SUBJECTS = ("Language Arts", "Mathematics", "Science", "History", "Art", "Physical Education")
CLASSES_OF_ONE_TEACHER = 3
OFFICE_POSTS = (
    ("Principal", "administrator"),
    ("Counselor", "administrator"),
    ("Classroom Aide", "aide"),
)


def open_office(*, students: int, seed: int, clock: Clock) -> Office:
    """A full office. Raises ValueError for a size that is not between 1 and 15,000."""
    if not 1 <= students <= MOST_STUDENTS:
        raise ValueError(f"students must be between 1 and {MOST_STUDENTS}")
    random = Random(seed)
    district = District(
        uuid=str(UUID(int=random.getrandbits(128), version=4)),
        name="Made-up Valley School District",
        number=f"{random.randrange(1000, 9999)}",
        timezone="America/Chicago",
    )
    office = Office(district=district, clock=clock, filled_at=_start_of_year(clock))
    _Generator(office, random).fill(students)
    return office


def _start_of_year(clock: Clock) -> datetime:
    today = clock.today()
    return datetime(today.year - (today.month < 7), 7, 1, tzinfo=UTC)


class _Generator:
    def __init__(self, office: Office, random: Random) -> None:
        self._office = office
        self._random = random
        self._unstamped = making.UNSTAMPED

    def fill(self, students: int) -> None:
        courses = self._courses()
        count = max(len(LEVELS), -(-students // SCHOOL_SIZE))
        share, more = divmod(students, count)
        for index in range(count):
            level, low, high = LEVELS[index % len(LEVELS)]
            school = self._school(index, level, low, high)
            self._people(school, courses, share + (index < more))

    def _courses(self) -> list[Course]:
        table = self._office.courses
        return [
            self._office.keep(table, Course(
                dcid=table.number(), modified=self._unstamped, subject=subject,
                number=f"{subject[:3].upper()}{grade:02}", name=f"{subject} {grade or 'K'}",
                low_grade=grade, high_grade=grade,
            ))
            for grade in range(13) for subject in SUBJECTS
        ]  # fmt: skip

    def _school(self, index: int, level: str, low: int, high: int) -> School:
        table = self._office.schools
        return self._office.keep(table, School(
            dcid=table.number(), modified=self._unstamped, number=100 + index, low_grade=low,
            high_grade=high, name=names.school(index, level), state_id=f"ST{index + 1:05}",
        ))  # fmt: skip

    def _terms(self, school: int) -> list[Term]:
        first = self._office.year_start()
        half, last = date(first.year + 1, 1, 10), date(first.year + 1, 6, 12)
        year = self._term(school, "Year", "YR", first, last, 1, None)
        return [
            year,
            self._term(school, "Semester 1", "S1", first, half, 2, year.dcid),
            self._term(school, "Semester 2", "S2", half, last, 2, year.dcid),
        ]

    def _term(
        self, school: int, name: str, short: str, start: date, end: date, portion: int,
        year: int | None,
    ) -> Term:  # fmt: skip
        table = self._office.terms
        return self._office.keep(table, Term(
            dcid=table.number(), modified=self._unstamped, school=school, name=name,
            abbreviation=short, start=start, end=end, portion=portion, year=year,
            start_year=self._office.year_start().year,
        ))  # fmt: skip

    def _people(self, school: School, courses: list[Course], count: int) -> None:
        terms = self._terms(school.dcid)
        for title, role in OFFICE_POSTS:
            self._staff(school.dcid, title, role)
        grades = range(school.low_grade, school.high_grade + 1)
        for index, grade in enumerate(grades):
            size = count // len(grades) + (index < count % len(grades))
            wanted = [course for course in courses if course.low_grade == grade]
            for group in _groups(size):
                sections = list(self._sections(school.dcid, terms[0].dcid, wanted))
                for _ in range(group):
                    self._student(school.dcid, grade, sections)

    def _staff(self, school: int, title: str, role: str) -> int:
        """Every tenth teacher also works at the school before."""
        number = len(self._office.staff.rows)
        shared = role == "teacher" and school > 1 and number % 10 == 0
        schools = (school, school - 1) if shared else (school,)
        made = making.staff(self._office, self._random, schools=schools, title=title, role=role)
        return self._office.keep(self._office.staff, made).dcid

    def _sections(self, school: int, term: int, courses: Sequence[Course]) -> Iterator[Section]:
        teacher = 0
        for period, course in enumerate(courses, start=1):
            if period % CLASSES_OF_ONE_TEACHER == 1:
                teacher = self._staff(school, "Teacher", "teacher")
            made = making.section(
                self._office, school=school, course=course.dcid, term=term, teacher=teacher,
                period=period, grade=course.low_grade,
            )  # fmt: skip
            yield self._office.keep(self._office.sections, made)

    def _student(self, school: int, grade: int, sections: Sequence[Section]) -> None:
        made, contacts = making.student(self._office, self._random, school=school, grade=grade)
        for contact in contacts:
            self._office.keep(self._office.contacts, contact)
        student = self._office.keep(self._office.students, made)
        table = self._office.enrolments
        for section in sections:
            self._office.keep(table, Enrolment(
                dcid=table.number(), modified=self._unstamped, section=section.dcid,
                student=student.dcid, entered=student.entered,
            ))  # fmt: skip


def _groups(size: int) -> Iterator[int]:
    while size > 0:
        yield min(size, CLASS_SIZE)
        size -= CLASS_SIZE
