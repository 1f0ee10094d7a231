"""What each field of the core descriptions may be sent as, so that its body stays valid. Pure.

Source: OneRoster 1.2 rostering OpenAPI file (types and required fields); ADR 0028.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from roster_publisher.domain.access import How
from roster_publisher.domain.fragments import FIELD_GROUPS, REFS

Kind: TypeAlias = Literal["text", "day", "word", "part", "fixed"]
"""A `word` is one of a list, or an address; a `part` has fields of its own; what is `fixed` is what
others find a record by, or what it cannot be read without."""

ENTITIES: Final = tuple(FIELD_GROUPS)
METADATA: Final = "metadata"
_DAYS: Final = frozenset({"startDate", "endDate", "beginDate", "birthDate"})
_WORDS: Final = frozenset(
    {
        "type",
        "classType",
        "enabledUser",
        "role",
        "primary",
        "sex",
        "americanIndianOrAlaskaNative",
        "asian",
        "blackOrAfricanAmerican",
        "nativeHawaiianOrOtherPacificIslander",
        "white",
        "demographicRaceTwoOrMoreRaces",
        "hispanicOrLatinoEthnicity",
    }
)
_PARTS: Final = frozenset({"userIds", "userProfiles", METADATA})
_FIXED: Final = frozenset({"sourcedId", "status", "dateLastModified", "roles", "resources"})
_REQUIRED: Final[Mapping[str, frozenset[str]]] = {
    "org": frozenset({"name", "type", "identifier"}),
    "academicSession": frozenset({"title", "startDate", "endDate", "type", "schoolYear"}),
    "course": frozenset({"title", "courseCode"}),
    "class": frozenset({"title"}),
    "user": frozenset({"enabledUser", "givenName", "familyName"}),
    "enrollment": frozenset({"role"}),
    "demographics": frozenset(),
}
# Of users alone: (kind, required where its object stands).
_INSIDE: Final[Mapping[str, tuple[Kind, bool]]] = {
    "userIds.type": ("text", True),
    "userIds.identifier": ("text", True),
    "userProfiles.profileId": ("word", True),
    "userProfiles.profileType": ("text", True),
    "userProfiles.vendorId": ("text", True),
    "userProfiles.applicationId": ("text", False),
    "userProfiles.description": ("text", False),
    "userProfiles.credentials": ("part", False),
    "userProfiles.credentials.type": ("text", True),
    "userProfiles.credentials.username": ("text", True),
    "roles.userProfile": ("word", False),
    "roles.beginDate": ("day", False),
    "roles.endDate": ("day", False),
}


def allowed(path: str, entity: str) -> frozenset[How] | None:
    """How the field at `path` may be transformed: in no way, or None where there is no such field.

    What is required is dropped to an empty text, which nothing but a text can be.
    """
    found = _found(path, entity)
    if found is None:
        return None
    kind, required = found
    droppable: frozenset[How] = frozenset() if required and kind != "text" else frozenset({"drop"})
    if kind == "fixed":
        return frozenset()
    if kind == "text":
        return droppable | {"hash"}
    return droppable | {"year"} if kind == "day" else droppable


def is_required(path: str, entity: str) -> bool:
    """Whether something must stand at `path`."""
    found = _found(path, entity)
    return found is not None and found[1]


def _found(path: str, entity: str) -> tuple[Kind, bool] | None:
    top, _, inside = path.partition(".")
    if top not in FIELD_GROUPS[entity] or not all(path.split(".")):
        return None
    if top == METADATA and inside:
        return "text", False
    if top in _FIXED or top in dict(REFS[entity]):
        return _INSIDE.get(path, ("fixed", True)) if entity == "user" else ("fixed", True)
    if inside:
        return _INSIDE.get(path) if entity == "user" else None
    kind: Kind = (
        "day"
        if path in _DAYS
        else "word"
        if path in _WORDS
        else "part"
        if path in _PARTS
        else "text"
    )
    return kind, path in _REQUIRED[entity]
