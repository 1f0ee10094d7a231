"""The twelve core collections of OneRoster 1.2: what each lists and which token scope opens it.

Pure. Source: OneRoster 1.2 rostering REST binding, endpoints and scopes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from roster_publisher.domain.records import Entity

SCOPE_PREFIX: Final = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
ROSTER: Final = f"{SCOPE_PREFIX}roster.readonly"
ROSTER_CORE: Final = f"{SCOPE_PREFIX}roster-core.readonly"
DEMOGRAPHICS: Final = f"{SCOPE_PREFIX}roster-demographics.readonly"
KNOWN_SCOPES: Final = frozenset({ROSTER, ROSTER_CORE, DEMOGRAPHICS})
_CORE: Final = frozenset({ROSTER, ROSTER_CORE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """`subset` narrows an entity to one kind of it: a type of org or session, a role of users."""

    path: str
    entity: Entity
    plural: str
    single: str
    subset: str | None = None
    scopes: frozenset[str] = _CORE


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
