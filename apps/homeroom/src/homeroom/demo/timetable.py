"""Groups, classes and teachers of one made-up school. Pure; the same school gives the same table.

A *group* is a set of pupils of one grade who share their core lessons. Six periods a day: in an
elementary school the group's own teacher gives four of them, in the others every subject has its
teachers, who are never in two rooms at once and teach at most five periods.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil

from homeroom.demo.schools import Level, School

PERIODS = 6
MOST_PERIODS = 5
ELECTIVE_SIZE = 27

OWN_TEACHER = ("Homeroom", "Reading", "Mathematics", "Science")
SPECIALIST = ("Music", "Physical Education")
CORE = ("English", "Mathematics", "Science", "Social Studies")
ELECTIVES = (
    ("Band", "Choir", "Drawing", "Theatre", "Ceramics", "Photography"),
    ("Spanish", "French", "Computer Science", "Physical Education", "Economics", "Robotics"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Pupils of one grade in one school; `number` counts the school's groups from 0."""

    number: int
    grade: str
    pupils: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One class: who teaches it and when. `teacher` counts the school's teachers from 0."""

    number: int
    subject: str
    grades: tuple[str, ...]
    period: int
    teacher: int


@dataclass(slots=True, kw_only=True)
class _Faculty:
    """Hands out teachers, hiring another one when all of a subject are busy."""

    hired: int = 0
    busy: dict[str, list[tuple[int, set[int]]]] = field(default_factory=dict)

    def hire(self) -> int:
        self.hired += 1
        return self.hired - 1

    def assign(self, subject: str, period: int) -> int:
        of_subject = self.busy.setdefault(subject, [])
        for teacher, periods in of_subject:
            if period not in periods and len(periods) < MOST_PERIODS:
                periods.add(period)
                return teacher
        of_subject.append((self.hire(), {period}))
        return of_subject[-1][0]


@dataclass(slots=True, kw_only=True)
class Timetable:
    """Every lesson of one school, and which of them each pupil attends."""

    school: School
    groups: tuple[Group, ...]
    lessons: list[Lesson] = field(default_factory=list)
    teachers: int = 0
    core: dict[int, list[Lesson]] = field(default_factory=dict)
    electives: dict[tuple[int, int], list[Lesson]] = field(default_factory=dict)
    first_seat: dict[int, int] = field(default_factory=dict)

    def of_pupil(self, group: Group, seat: int) -> tuple[Lesson, ...]:
        """Return the lessons of the pupil on `seat` (from 0) of `group`: six for everybody."""
        shared = tuple(self.core[group.number])
        if self.school.level is Level.ELEMENTARY:
            return shared
        turn = group.number % PERIODS
        place = self.first_seat[group.number] + seat
        chosen = (self.electives[turn, slot] for slot in range(len(ELECTIVES)))
        return shared + tuple(lessons[place % len(lessons)] for lessons in chosen)


def group_of(groups: list[Group], seat_in_grade: int) -> tuple[Group, int]:
    """Return the group of a pupil and the seat in it; pupils are dealt out like cards."""
    return groups[seat_in_grade % len(groups)], seat_in_grade // len(groups)


def plan_timetable(school: School) -> Timetable:
    """Return the whole timetable of `school`."""
    table = Timetable(school=school, groups=tuple(_groups(school)))
    faculty = _Faculty()
    if school.level is Level.ELEMENTARY:
        _plan_elementary(table, faculty)
    else:
        _plan_secondary(table, faculty)
    table.teachers = faculty.hired
    return table


def _groups(school: School) -> Iterator[Group]:
    number = 0
    for grade, pupils in zip(school.level.grades, school.pupils, strict=True):
        parts = ceil(pupils / school.level.group_size)
        for index in range(parts):
            size = pupils // parts + (index < pupils % parts)
            yield Group(number=number, grade=grade, pupils=size)
            number += 1


def _plan_elementary(table: Timetable, faculty: _Faculty) -> None:
    for group in table.groups:
        own = faculty.hire()
        subjects = OWN_TEACHER + SPECIALIST
        for index, subject in enumerate(subjects):
            period = (index + group.number) % PERIODS + 1
            teacher = own if subject in OWN_TEACHER else faculty.assign(subject, period)
            lesson = _add(table, subject, (group.grade,), period, teacher)
            table.core.setdefault(group.number, []).append(lesson)


def _plan_secondary(table: Timetable, faculty: _Faculty) -> None:
    for group in table.groups:
        for index, subject in enumerate(CORE):
            period = (index + group.number) % PERIODS + 1
            lesson = _add(table, subject, (group.grade,), period, faculty.assign(subject, period))
            table.core.setdefault(group.number, []).append(lesson)
    for turn in range(PERIODS):
        together = [group for group in table.groups if group.number % PERIODS == turn]
        seats = 0
        for group in together:
            table.first_seat[group.number] = seats
            seats += group.pupils
        for slot, subjects in enumerate(ELECTIVES):
            period = (len(CORE) + slot + turn) % PERIODS + 1
            offered = [
                subjects[index % len(subjects)] for index in range(ceil(seats / ELECTIVE_SIZE))
            ]
            table.electives[turn, slot] = [
                _add(table, name, table.school.level.grades, period, faculty.assign(name, period))
                for name in offered
            ]


def _add(
    table: Timetable, subject: str, grades: tuple[str, ...], period: int, teacher: int
) -> Lesson:
    lesson = Lesson(
        number=len(table.lessons) + 1,
        subject=subject,
        grades=grades,
        period=period,
        teacher=teacher,
    )
    table.lessons.append(lesson)
    return lesson
