"""How one product speaks OneRoster."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from sis_emulators.office.records import Contact, Person, Staff, Student

Version = Literal["1.1", "1.2"]


class Names(Protocol):
    """The sourcedIds that a product gives."""

    def org(self, school: int | None) -> str:
        """A school, or the district for None."""

    def session(self, term: int) -> str:
        """A term."""

    def course(self, course: int) -> str:
        """A course."""

    def section(self, section: int) -> str:
        """A class."""

    def person(self, person: Person, role: str) -> str:
        """Somebody in a role; the same for every role where the product knows one record each."""

    def seat(self, enrolment: int) -> str:
        """A student's enrolment."""

    def teaching(self, section: int) -> str:
        """The enrolment of a section's teacher."""


def everybody(_person: Person) -> bool:
    """All people are seen."""
    return True


def nothing(_person: Person) -> Mapping[str, object]:
    """No metadata."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The choices of a product and version.

    `most` is the largest `limit` that is served, 0 for any. `pads` puts blanks around some
    sourcedIds, `nulls` writes empty optional fields as null, `record_per_role` gives a person one
    user for each role. `counts` sends `X-Total-Count` and `Link`, `revision_headers` `x-count` and
    `x-perm-rev` too.
    """

    version: Version
    names: Names
    sees: Callable[[Person], bool] = everybody
    metadata: Callable[[Person], Mapping[str, object]] = nothing
    record_per_role: bool = False
    nulls: bool = False
    pads: bool = False
    most: int = 0
    counts: bool = True
    revision_headers: bool = False


def roles_of(person: Person, school_of: Callable[[int], int]) -> dict[str, list[int]]:
    """Schools by role, the main role and school first; `school_of` a student's number."""
    match person:
        case Student():
            return {"student": [person.school]}
        case Staff():
            found: dict[str, list[int]] = {}
            for post in person.posts:
                found.setdefault(post.role, []).append(post.school)
            return found
        case Contact():
            schools = dict.fromkeys(school_of(student) for student in person.students)
            return {person.relation: list(schools)}
        case _:
            raise TypeError(type(person).__name__)
