"""Made-up people, each drawn from the seed and their own number. Pure; no clock.

One person is the same whoever else exists, so the files can be written as streams: what a later
file needs is drawn again, never remembered.
"""

import unicodedata
from dataclasses import dataclass
from datetime import date
from random import Random

from homeroom.demo.names import CITY_NAMES, FAMILY_NAMES, GIVEN_NAMES
from homeroom.demo.schools import GRADES
from homeroom.installation import MAIL_DOMAIN

FIRST_GRADE_AGE = 5
RACES = ("indian", "asian", "black", "pacific", "white")
RACE_WEIGHTS = (2, 9, 16, 1, 72)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What a roster says of one person besides roles and classes."""

    sourced_id: str
    number: str
    given_name: str
    family_name: str
    middle_name: str
    preferred_name: str

    @property
    def username(self) -> str:
        """Plain ASCII and unique: the letters help people, the number tells them apart."""
        return f"{_letters(self.given_name)[:1]}{_letters(self.family_name)[:8]}{self.number}"

    @property
    def email(self) -> str:
        return f"{self.username}@{MAIL_DOMAIN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """The demographics of one student."""

    birth_date: date
    sex: str
    races: frozenset[str]
    hispanic: bool
    city: str


def draw_person(seed: int, kind: str, number: int) -> Person:
    """Return person `number` of `kind` (student, staff); the same arguments, the same person."""
    chance = Random(f"{seed}/{kind}/{number}")  # noqa: S311 - made-up names, not secrets
    given = chance.choice(GIVEN_NAMES)
    return Person(
        sourced_id=f"{kind}-{number:06d}",
        number=f"{number:05d}" if kind == "student" else f"{number:04d}",
        given_name=given,
        family_name=chance.choice(FAMILY_NAMES),
        middle_name=chance.choice(GIVEN_NAMES) if chance.random() < 0.4 else "",
        preferred_name=given[:3] if chance.random() < 0.05 else "",
    )


def draw_traits(seed: int, number: int, grade: str, school_year: int) -> Traits:
    """Return the demographics of student `number`, whose age fits `grade` in that school year."""
    chance = Random(f"{seed}/traits/{number}")  # noqa: S311 - made-up people, not secrets
    age = FIRST_GRADE_AGE + GRADES.index(grade)
    # Five years old on the first of September, so born in the twelve months before it.
    birth = date.fromordinal(date(school_year - 1 - age, 9, 1).toordinal() - chance.randrange(365))
    count = 2 if chance.random() < 0.06 else 1
    return Traits(
        birth_date=birth,
        sex=chance.choices(("female", "male", "unspecified", "other"), (485, 490, 15, 10))[0],
        races=frozenset(chance.choices(RACES, RACE_WEIGHTS, k=count)),
        hispanic=chance.random() < 0.28,
        city=chance.choice(CITY_NAMES),
    )


def _letters(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalpha())
