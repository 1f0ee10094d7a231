"""How many schools a made-up district has, and which grades go where. Pure; no I/O, no chance.

Sizes follow an ordinary United States district: elementary KG to 05, middle 06 to 08, high 09 up.
"""

from dataclasses import dataclass
from enum import Enum

from homeroom.demo.names import SCHOOL_NAMES

GRADES = ("KG", *(f"{number:02d}" for number in range(1, 13)))


class Level(Enum):
    """One kind of school: its grades, its usual size, and the pupils in one group."""

    ELEMENTARY = ("Elementary School", GRADES[:6], 430, 22)
    MIDDLE = ("Middle School", GRADES[6:9], 690, 27)
    HIGH = ("High School", GRADES[9:], 1150, 27)

    def __init__(self, title: str, grades: tuple[str, ...], size: int, group_size: int) -> None:
        self.title = title
        self.grades = grades
        self.size = size
        self.group_size = group_size


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """One school; `pupils` stands beside `level.grades`, one number for each grade."""

    number: int
    name: str
    level: Level
    pupils: tuple[int, ...]

    @property
    def sourced_id(self) -> str:
        return f"school-{self.number:03d}"


def pupils_per_grade(students: int) -> dict[str, int]:
    """Share `students` over the thirteen grades as evenly as whole people allow."""
    share, rest = divmod(students, len(GRADES))
    return {grade: share + (index < rest) for index, grade in enumerate(GRADES)}


def plan_schools(students: int) -> tuple[School, ...]:
    """Return the schools of a district of `students`, elementary first; every pupil has a seat."""
    in_grade = pupils_per_grade(students)
    schools: list[School] = []
    for level in Level:
        total = sum(in_grade[grade] for grade in level.grades)
        count = max(1, round(total / level.size))
        for index in range(count):
            number = len(schools) + 1
            schools.append(
                School(
                    number=number,
                    name=_name(number, level),
                    level=level,
                    pupils=tuple(_share(in_grade[grade], count, index) for grade in level.grades),
                )
            )
    return tuple(schools)


def _share(total: int, parts: int, index: int) -> int:
    return total // parts + (index < total % parts)


def _name(number: int, level: Level) -> str:
    turn, place = divmod(number - 1, len(SCHOOL_NAMES))
    suffix = f" {turn + 1}" if turn else ""
    return f"{SCHOOL_NAMES[place]}{suffix} {level.title}"
