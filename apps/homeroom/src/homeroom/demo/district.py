"""A made-up district of any size as lazy rows, entity by entity. Pure: no files, no clock.

The same students, seed and school year give the same rows. Column names and order are those of
the OneRoster 1.2 CSV binding, bulk mode (status and dateLastModified blank).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from homeroom.demo.people import Person, draw_person
from homeroom.demo.schools import School, plan_schools
from homeroom.demo.timetable import Group, Lesson, Timetable, group_of, plan_timetable

DISTRICT_ORG = "district-demo"
PUPILS_PER_COUNSELOR = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """One pupil: where they sit decides their classes."""

    number: int
    school: School
    grade: str
    group: Group
    seat: int

    @property
    def sourced_id(self) -> str:
        return f"student-{self.number:06d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Employee:
    """One adult with a role at an org; `teacher` is the number in the school's timetable."""

    number: int
    role: str
    org_id: str
    school: School | None = None
    teacher: int | None = None

    @property
    def sourced_id(self) -> str:
        return f"staff-{self.number:06d}"


@dataclass(frozen=True, kw_only=True)
class District:
    """The whole district. `school_year` is the year it ends, as OneRoster counts."""

    students: int
    seed: int
    school_year: int

    @property
    def begins(self) -> date:
        return date(self.school_year - 1, 8, 1)

    @property
    def ends(self) -> date:
        """The first day that is no longer in the school year."""
        return date(self.school_year, 8, 1)

    @cached_property
    def schools(self) -> tuple[School, ...]:
        return plan_schools(self.students)

    @cached_property
    def timetables(self) -> dict[int, Timetable]:
        return {school.number: plan_timetable(school) for school in self.schools}

    @cached_property
    def employees(self) -> tuple[Employee, ...]:
        return tuple(_number(self._staff()))

    @cached_property
    def teachers(self) -> dict[tuple[int, int], Employee]:
        """Teachers by (school number, number in its timetable)."""
        return {
            (employee.school.number, employee.teacher): employee
            for employee in self.employees
            if employee.school is not None and employee.teacher is not None
        }

    def pupils(self) -> Iterator[Student]:
        """Yield every student, school by school and grade by grade, without keeping any."""
        number = 0
        for school in self.schools:
            for grade, count in zip(school.level.grades, school.pupils, strict=True):
                groups = [g for g in self.timetables[school.number].groups if g.grade == grade]
                for index in range(count):
                    number += 1
                    group, seat = group_of(groups, index)
                    yield Student(number=number, school=school, grade=grade, group=group, seat=seat)

    def lessons_of(self, student: Student) -> tuple[Lesson, ...]:
        return self.timetables[student.school.number].of_pupil(student.group, student.seat)

    def person(self, who: Student | Employee) -> Person:
        kind = "student" if isinstance(who, Student) else "staff"
        return draw_person(self.seed, kind, who.number)

    def _staff(self) -> Iterator[Employee]:
        yield Employee(number=0, role="districtAdministrator", org_id=DISTRICT_ORG)
        for school in self.schools:
            org = school.sourced_id
            yield Employee(number=0, role="principal", org_id=org, school=school)
            for _ in range(-(-sum(school.pupils) // PUPILS_PER_COUNSELOR)):
                yield Employee(number=0, role="counselor", org_id=org, school=school)
            for teacher in range(self.timetables[school.number].teachers):
                yield Employee(number=0, role="teacher", org_id=org, school=school, teacher=teacher)


def _number(staff: Iterable[Employee]) -> Iterator[Employee]:
    for number, employee in enumerate(staff, start=1):
        yield Employee(
            number=number,
            role=employee.role,
            org_id=employee.org_id,
            school=employee.school,
            teacher=employee.teacher,
        )


def school_year_of(today: date) -> int:
    """Return the OneRoster school year that `today` lies in; it turns on the first of August."""
    return today.year + (today.month >= 8)


def class_id(school: School, lesson: Lesson) -> str:
    """Return the id that the made-up SIS gives a class."""
    return f"class-{school.number:03d}-{lesson.number:04d}"
