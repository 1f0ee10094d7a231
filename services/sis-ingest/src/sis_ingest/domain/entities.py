"""The seven OneRoster collections this service keeps, their order and their references.

Pure data. Source: OneRoster 1.2 rostering objects; the order puts targets before what points
at them, so that a first load has few dangling references.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Entity: TypeAlias = Literal[
    "org", "academicSession", "course", "class", "user", "enrollment", "demographics"
]

IMPORT_ORDER: Final[tuple[Entity, ...]] = (
    "org",
    "academicSession",
    "course",
    "class",
    "user",
    "demographics",
    "enrollment",
)

# The collection names of OneRoster, used in webhook types and file names.
COLLECTIONS: Final[Mapping[str, Entity]] = {
    "orgs": "org",
    "academicSessions": "academicSession",
    "courses": "course",
    "classes": "class",
    "users": "user",
    "demographics": "demographics",
    "enrollments": "enrollment",
}

ENTITIES: Final[Mapping[str, Entity]] = {entity: entity for entity in IMPORT_ORDER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where in a record a reference stands; a list on the way means each of its items."""

    path: tuple[str, ...]
    entity: Entity


def _references(**paths: Entity) -> tuple[Reference, ...]:
    return tuple(
        Reference(path=tuple(path.split("__")), entity=entity) for path, entity in paths.items()
    )


REFERENCES: Final[Mapping[Entity, tuple[Reference, ...]]] = {
    "org": _references(parent="org", children="org"),
    "academicSession": _references(parent="academicSession", children="academicSession"),
    "course": _references(schoolYear="academicSession", org="org"),
    "class": _references(course="course", school="org", terms="academicSession"),
    "user": _references(roles__org="org", primaryOrg="org", agents="user"),
    "enrollment": (
        Reference(path=("user",), entity="user"),
        Reference(path=("class",), entity="class"),
        Reference(path=("school",), entity="org"),
    ),
    "demographics": (),
}


def id_space(entity: Entity) -> Entity:
    """Whose ids an entity's `sourcedId` comes from: demographics carry their user's id."""
    return "user" if entity == "demographics" else entity
