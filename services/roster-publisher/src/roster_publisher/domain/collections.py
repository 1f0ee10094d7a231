"""The collections of OneRoster 1.2: what each lists and which token scope opens it.

Twelve core collections, whose objects are read one by one too, and seventeen sub-collections below
parents: 41 operations. Pure. Source: OneRoster 1.2 rostering REST binding, endpoints and scopes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from roster_publisher.domain.records import Entity

SCOPE_PREFIX: Final = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
V1P1_SCOPE_PREFIX: Final = "https://purl.imsglobal.org/spec/or/v1p1/scope/"
ROSTER: Final = f"{SCOPE_PREFIX}roster.readonly"
ROSTER_CORE: Final = f"{SCOPE_PREFIX}roster-core.readonly"
DEMOGRAPHICS: Final = f"{SCOPE_PREFIX}roster-demographics.readonly"
_NAMES: Final = ("roster.readonly", "roster-core.readonly", "roster-demographics.readonly")
V1P1_SCOPES: Final = frozenset(f"{V1P1_SCOPE_PREFIX}{name}" for name in _NAMES)
KNOWN_SCOPES: Final = frozenset({ROSTER, ROSTER_CORE, DEMOGRAPHICS}) | V1P1_SCOPES
_CORE: Final = frozenset({ROSTER, ROSTER_CORE})
PARENT: Final = "/{}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """`subset` narrows an entity to one kind of it: a type of org or session, a role of users.

    In `path`, `{}` stands for the id of a parent; what makes an object one of the parent's is said
    by the module that reads it.
    """

    path: str
    entity: Entity
    plural: str
    single: str
    subset: str | None = None
    scopes: frozenset[str] = _CORE

    @property
    def parents(self) -> tuple[str, ...]:
        """The core collections in which the ids of the path stand, from left to right."""
        return tuple(self.path.split(PARENT)[:-1])


COLLECTIONS: Final[Mapping[str, Collection]] = {
    collection.path: collection
    for collection in (
        Collection(path="orgs", entity="org", plural="orgs", single="org"),
        Collection(path="schools", entity="org", plural="orgs", single="org", subset="school"),
        Collection(
            path="academicSessions",
            entity="academicSession",
            plural="academicSessions",
            single="academicSession",
        ),
        Collection(
            path="terms",
            entity="academicSession",
            plural="academicSessions",
            single="academicSession",
            subset="term",
        ),
        Collection(
            path="gradingPeriods",
            entity="academicSession",
            plural="academicSessions",
            single="academicSession",
            subset="gradingPeriod",
        ),
        Collection(path="courses", entity="course", plural="courses", single="course"),
        Collection(path="classes", entity="class", plural="classes", single="class"),
        Collection(path="users", entity="user", plural="users", single="user"),
        Collection(path="students", entity="user", plural="users", single="user", subset="student"),
        Collection(path="teachers", entity="user", plural="users", single="user", subset="teacher"),
        Collection(
            path="enrollments", entity="enrollment", plural="enrollments", single="enrollment"
        ),
        Collection(
            path="demographics",
            entity="demographics",
            plural="demographics",
            single="demographics",
            scopes=frozenset({DEMOGRAPHICS}),
        ),
    )
}


def _below(path: str, listed: str) -> Collection:
    """Objects as the collection `listed` has them, below parents; the core scope opens none."""
    return replace(COLLECTIONS[listed], path=path, scopes=frozenset({ROSTER}))


# Students and teachers of a class are so by their enrolment, those of a school by their role there.
SUB_COLLECTIONS: Final[Mapping[str, Collection]] = {
    collection.path: collection
    for collection in (
        _below("classes/{}/students", "users"),
        _below("classes/{}/teachers", "users"),
        _below("courses/{}/classes", "classes"),
        _below("terms/{}/classes", "classes"),
        _below("terms/{}/gradingPeriods", "gradingPeriods"),
        _below("users/{}/classes", "classes"),
        _below("students/{}/classes", "classes"),
        _below("teachers/{}/classes", "classes"),
        _below("schools/{}/classes", "classes"),
        _below("schools/{}/courses", "courses"),
        _below("schools/{}/enrollments", "enrollments"),
        _below("schools/{}/students", "users"),
        _below("schools/{}/teachers", "users"),
        _below("schools/{}/terms", "terms"),
        _below("schools/{}/classes/{}/enrollments", "enrollments"),
        _below("schools/{}/classes/{}/students", "users"),
        _below("schools/{}/classes/{}/teachers", "users"),
    )
}
ALL_COLLECTIONS: Final[Mapping[str, Collection]] = {**COLLECTIONS, **SUB_COLLECTIONS}


def known_scopes(asked: str | None) -> frozenset[str]:
    """The scopes we know among the blank-separated `asked`, http and https alike; none = all.

    Tools4ever asks for `http://` scopes mixed with ones of other services, so what we do not know
    is passed over and not refused.
    """
    if asked is None or not asked.strip():
        return KNOWN_SCOPES
    normalised = {
        "https://" + scope.removeprefix("http://") if scope.startswith("http://") else scope
        for scope in asked.split()
    }
    return KNOWN_SCOPES & normalised
