"""Who plays in the story: students found by reading the roster as a vendor does.

Each chapter has a student of its own, so that no chapter needs another.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from homeroom.demo.memberships import classes_in_force
from homeroom.demo.outside import Outside
from homeroom.errors import CommandFailed
from homeroom.services import ROSTER_PUBLISHER

CANDIDATES: Final = 1_000
ROLES: Final = ("renamed", "class mover", "school mover", "leaver")

SEATED: Final = ("student", "active")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A student's seat in one class."""

    enrollment_id: str
    class_id: str


@dataclass(slots=True, kw_only=True)
class Actor:
    """One student: the user as the roster serves it, and every seat."""

    user: Json
    places: list[Place] = field(default_factory=list)

    @property
    def person_id(self) -> str:
        return str(self.user["sourcedId"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The students of the story, all of one school, and where else they may go.

    Classes that are `in_force` today come first; only those have groups.
    """

    home: str
    other: str
    home_classes: tuple[Json, ...]
    other_classes: tuple[Json, ...]
    in_force: frozenset[str]
    renamed: Actor
    class_mover: Actor
    school_mover: Actor
    leaver: Actor


def choose(outside: Outside) -> Cast:
    """Return the cast; raises CommandFailed where the roster has too few students or schools."""
    with outside.journal.step("choose who plays", owner=ROSTER_PUBLISHER.name) as step:
        classes, in_force = _classes(outside)
        actors = _students(outside)
        home = _home(actors, outside.one_school_org)
        other = next((one for one in map(_school, classes) if one != home), None)
        at_home = [one for one in actors if _primary(one) == home]
        if other is None or len(at_home) < len(ROLES):
            raise CommandFailed(f"the roster has no {len(ROLES)} students of one school of two")
        step.detail = f"{len(ROLES)} students of {home}; {other} is the other school"
    renamed, class_mover, school_mover, leaver = at_home[: len(ROLES)]
    return Cast(
        home=home,
        other=other,
        home_classes=tuple(one for one in classes if _school(one) == home),
        other_classes=tuple(one for one in classes if _school(one) == other),
        in_force=in_force,
        renamed=renamed,
        class_mover=class_mover,
        school_mover=school_mover,
        leaver=leaver,
    )


def _classes(outside: Outside) -> tuple[list[Json], frozenset[str]]:
    """Return all classes, those in force today first, and the ids of these."""
    classes: list[Json] = [dict(row) for row in outside.vendor.rows("classes")]
    sessions = outside.vendor.rows("academicSessions")
    now = classes_in_force(classes, sessions, today=outside.clock.now().date())
    return sorted(classes, key=lambda one: one["sourcedId"] not in now), now


def _students(outside: Outside) -> list[Actor]:
    page = outside.vendor.some("students", query=f"limit={CANDIDATES}")
    actors = {str(user["sourcedId"]): Actor(user=dict(user)) for user in page}
    for row in outside.vendor.rows("enrollments"):
        enrollment: Json = dict(row)
        actor = actors.get(enrollment["user"]["sourcedId"])
        if actor is not None and (enrollment["role"], enrollment["status"]) == SEATED:
            actor.places.append(
                Place(
                    enrollment_id=enrollment["sourcedId"],
                    class_id=enrollment["class"]["sourcedId"],
                )
            )
    return [actor for actor in actors.values() if actor.places]


def _home(actors: list[Actor], one_school: str) -> str:
    """The one-school vendor's school where it exists, else that of most of these students."""
    schools = Counter(map(_primary, actors))
    if one_school in schools:
        return one_school
    return schools.most_common(1)[0][0] if schools else ""


def _school(lesson: Json) -> str:
    return str(lesson["school"]["sourcedId"])


def _primary(actor: Actor) -> str:
    roles = actor.user.get("roles") or ()
    return next((str(role["org"]["sourcedId"]) for role in roles), "")
