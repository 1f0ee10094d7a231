"""What a published record is: its entity, its key, and what it points at. Pure.

A record is a OneRoster 1.2 object as plain JSON values, without `href`, booleans as booleans.
Source: OneRoster 1.2 rostering, objects; requiredness of references as in its OpenAPI file.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import orjson

Entity: TypeAlias = Literal[
    "org", "academicSession", "course", "class", "user", "demographics", "enrollment"
]
Status: TypeAlias = Literal["active", "tobedeleted"]
Record: TypeAlias = Mapping[str, Any]

# A required reference only ever points at an entity further left, so one pass in this order
# settles which records of a batch can be shown.
PUBLISH_ORDER: Final[tuple[Entity, ...]] = (
    "org",
    "academicSession",
    "course",
    "class",
    "user",
    "demographics",
    "enrollment",
)
ORDER_OF: Final[Mapping[str, int]] = {entity: place for place, entity in enumerate(PUBLISH_ORDER)}
_STAMPED: Final = frozenset({"status", "dateLastModified"})


class Key(NamedTuple):
    """One record within a district."""

    entity: Entity
    sourced_id: str


class Need(Enum):
    """What it means for the pointing record when the target is not there."""

    OPTIONAL = "the reference is left out"
    EVERY = "the record cannot be shown"
    SOME = "the record cannot be shown if none of the field's targets is there"


class Reference(NamedTuple):
    """One pointer of a record."""

    field: str
    target: Key
    need: Need


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    entity: Entity
    need: Need
    many: bool = False
    inner: str | None = None


_FIELDS: Final[Mapping[str, tuple[_Field, ...]]] = {
    "org": (
        _Field("parent", "org", Need.OPTIONAL),
        _Field("children", "org", Need.OPTIONAL, many=True),
    ),
    "academicSession": (
        _Field("parent", "academicSession", Need.OPTIONAL),
        _Field("children", "academicSession", Need.OPTIONAL, many=True),
    ),
    "course": (
        _Field("schoolYear", "academicSession", Need.OPTIONAL),
        _Field("org", "org", Need.OPTIONAL),
    ),
    "class": (
        _Field("course", "course", Need.EVERY),
        _Field("school", "org", Need.EVERY),
        _Field("terms", "academicSession", Need.SOME, many=True),
    ),
    "user": (
        _Field("roles", "org", Need.SOME, many=True, inner="org"),
        _Field("primaryOrg", "org", Need.OPTIONAL),
        _Field("agents", "user", Need.OPTIONAL, many=True),
    ),
    "enrollment": (
        _Field("user", "user", Need.EVERY),
        _Field("class", "class", Need.EVERY),
        _Field("school", "org", Need.EVERY),
    ),
    "demographics": (),
}


def references(key: Key, record: Record) -> Iterator[Reference]:
    """Every pointer of `record`; demographics point at the user of the same id."""
    if key.entity == "demographics":
        yield Reference("sourcedId", Key("user", key.sourced_id), Need.EVERY)
    for field in _FIELDS[key.entity]:
        value = record.get(field.name)
        if value is None:
            continue
        for item in value if field.many else (value,):
            ref = item if field.inner is None else item[field.inner]
            yield Reference(field.name, Key(field.entity, ref["sourcedId"]), field.need)


def content_hash(record: Record) -> bytes:
    """16 bytes over what the source said; status and date are publication's own."""
    body = record
    if not _STAMPED.isdisjoint(record):
        body = {name: value for name, value in record.items() if name not in _STAMPED}
    return hashlib.blake2b(orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def ref_id(record: Record, field: str) -> str | None:
    """Id that the single reference `field` points at, if it is there."""
    ref = record.get(field)
    return None if ref is None else str(ref["sourcedId"])
