"""The fields of an entity that a vendor may ask about, and where the store keeps each. Pure.

A field is named by its path: `familyName`, `roles.org.sourcedId`, `metadata.bus`. What the grant
withholds or transforms is as unknown as what does not exist. Source: OneRoster 1.2, core
descriptions; OneRoster 1.1 prose (any data element can be filtered on); ADR 0023; ADR 0028.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from roster_publisher.domain.access import Grant
from roster_publisher.domain.fragments import FIELD_GROUPS, REFS

Kind: TypeAlias = Literal["text", "day", "moment"]
Path: TypeAlias = tuple[str, ...]

METADATA: Final = "metadata"
LONGEST_NAME: Final = 200
_REF: Final = frozenset({("sourcedId",), ("type",)})
_INSIDE: Final[Mapping[str, frozenset[Path]]] = {
    "roles": frozenset(
        {("roleType",), ("role",), ("userProfile",), ("beginDate",), ("endDate",)}
        | {("org", *path) for path in _REF}
    ),
    "userIds": frozenset({("type",), ("identifier",)}),
    "userProfiles": frozenset(
        {("profileId",), ("profileType",), ("vendorId",), ("applicationId",), ("description",)}
        | {("credentials", "type"), ("credentials", "username")}
    ),
    "resources": _REF,
}
_LISTS: Final = frozenset({"grades", "subjects", "subjectCodes", "periods"})
_MANY: Final = frozenset({*_INSIDE, "children", "terms", "agents"})
_DAYS: Final = frozenset({"startDate", "endDate", "beginDate", "birthDate"})

# Columns that say exactly what the text says. References that may dangle are not among them: the
# text leaves those out.
_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "org": {"type": "kind"},
    "academicSession": {"type": "kind"},
    "course": {},
    "class": {
        "classType": "kind",
        "course.sourcedId": "course_id",
        "school.sourcedId": "school_id",
    },
    "user": {"roles.role": "roles", "roles.org.sourcedId": "scope_ids"},
    "enrollment": {
        "role": "kind",
        "user.sourcedId": "user_id",
        "class.sourcedId": "class_id",
        "school.sourcedId": "school_id",
    },
    "demographics": {},
}
_HEAD: Final = {"sourcedId": "sourced_id", "status": "status", "dateLastModified": "stamp"}
# A user has several roles; the name from 1.1, where it had one, is still sent.
_ALIASES: Final[Mapping[tuple[str, str], str]] = {("user", "role"): "roles.role"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field by the `name` it was asked by. `path` leads to it from the object inwards through
    lists too; `group` is the group of texts that holds it, `column` the column that also does.

    `listed` says that a record may have several values; `points_at` is the entity of the reference
    that the path's first name holds.
    """

    name: str
    path: Path
    group: str
    kind: Kind = "text"
    listed: bool = False
    points_at: str | None = None
    column: str | None = None


FindField: TypeAlias = Callable[[str, str, Grant], Field | None]
"""Finds a field by its name, entity and grant, as `find_field` does for the names of 1.2."""


def find_field(name: str, entity: str, grant: Grant) -> Field | None:
    """The field that `name` means in `entity`; None for what is not there, is withheld or sent as
    something else, or has fields of its own. Any path inside `metadata` is a field.
    """
    known = _ALIASES.get((entity, name), name)
    path = tuple(known.split("."))
    top, inside = path[0], path[1:]
    group = FIELD_GROUPS[entity].get(top)
    points_at = dict(REFS[entity]).get(top)
    if group is None or not grant.allows(group) or not _is_leaf(top, inside, points_at):
        return None
    if grant.transforms_field(known, entity):
        return None
    # No text here has such a character, and the store cannot be asked for one.
    if "\x00" in name or len(name) > LONGEST_NAME:
        return None
    return Field(
        name=name,
        path=path,
        group=group,
        kind=_kind(path),
        listed=top == METADATA or top in _MANY or top in _LISTS,
        points_at=points_at,
        column=_HEAD.get(known) or _COLUMNS[entity].get(known),
    )


def _is_leaf(top: str, inside: Path, points_at: str | None) -> bool:
    if top == METADATA:
        return bool(inside) and all(inside)
    if points_at is not None:
        return inside in _REF
    return inside in _INSIDE[top] if top in _INSIDE else not inside


def _kind(path: Path) -> Kind:
    if path[0] == METADATA:
        return "text"
    if path == ("dateLastModified",):
        return "moment"
    return "day" if path[-1] in _DAYS else "text"
