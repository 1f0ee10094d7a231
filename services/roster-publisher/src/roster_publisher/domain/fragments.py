"""Renders a record to ready-to-send OneRoster 1.2 JSON text, one fragment per field group. Pure.

A fragment is the inside of a JSON object, without braces; every group but `base` starts with its
comma, so a reader joins the groups that a field policy allows. `href` has no host: it starts with
`HOST_MARK`, which no JSON text can contain unescaped, and the reader replaces it.
Source: OneRoster 1.2 rostering OpenAPI file (closed objects, no nulls, booleans as strings).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

import orjson

from roster_publisher.domain.records import Entity, Key, Record, Status
from roster_publisher.domain.uris import as_uri

HOST_MARK: Final = "\x1a"

# Names are required by the specification: where they are withheld, they are there and empty.
BLANK_NAMES: Final = ',"givenName":"","familyName":""'

_PATHS: Final[Mapping[str, str]] = {
    "org": "orgs",
    "academicSession": "academicSessions",
    "course": "courses",
    "class": "classes",
    "user": "users",
}
_NAMES: Final = (
    "givenName",
    "familyName",
    "middleName",
    "preferredFirstName",
    "preferredMiddleName",
    "preferredLastName",
    "pronouns",
)
_CONTACT: Final = ("email", "sms", "phone")
_IDENTIFIERS: Final = (
    "userMasterIdentifier",
    "username",
    "userIds",
    "identifier",
    "userProfiles",
)
_BIRTH: Final = (
    "birthDate",
    "sex",
    "countryOfBirthCode",
    "stateOfBirthAbbreviation",
    "cityOfBirth",
    "publicSchoolResidenceStatus",
)
_ETHNICITY: Final = (
    "americanIndianOrAlaskaNative",
    "asian",
    "blackOrAfricanAmerican",
    "nativeHawaiianOrOtherPacificIslander",
    "white",
    "demographicRaceTwoOrMoreRaces",
    "hispanicOrLatinoEthnicity",
)
_BASE: Final[Mapping[str, tuple[str, ...]]] = {
    "org": ("name", "type", "identifier"),
    "academicSession": ("title", "startDate", "endDate", "type", "schoolYear"),
    "course": ("title", "courseCode", "grades", "subjects", "subjectCodes"),
    "class": (
        "title",
        "classCode",
        "classType",
        "location",
        "grades",
        "subjects",
        "subjectCodes",
        "periods",
    ),
    "user": ("enabledUser", "grades"),
    "enrollment": ("role", "primary", "beginDate", "endDate"),
    "demographics": (),
}
# What references point at. `resources` is left out: one that nobody here can follow dangles.
REFS: Final[Mapping[str, tuple[tuple[str, Entity], ...]]] = {
    "org": (("parent", "org"), ("children", "org")),
    "academicSession": (("parent", "academicSession"), ("children", "academicSession")),
    "course": (("schoolYear", "academicSession"), ("org", "org")),
    "class": (("course", "course"), ("school", "org"), ("terms", "academicSession")),
    "user": (("primaryOrg", "org"), ("agents", "user")),
    "enrollment": (("user", "user"), ("class", "class"), ("school", "org")),
    "demographics": (),
}
_LISTED: Final = ("sourcedId", "status", "dateLastModified")


def _grouped(group: str, names: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(names, group)


# Every field an entity can have, and the group of texts that holds it.
FIELD_GROUPS: Final[Mapping[str, Mapping[str, str]]] = {
    entity: _grouped("base", (*_LISTED, *_BASE[entity]))
    | _grouped("refs", (name for name, _ in REFS[entity]))
    | {"metadata": "metadata"}
    | (_grouped("refs", ("resources",)) if entity in {"course", "class", "user"} else {})
    | (
        _grouped("refs", ("roles",))
        | _grouped("names", _NAMES)
        | _grouped("contact", _CONTACT)
        | _grouped("identifiers", _IDENTIFIERS)
        if entity == "user"
        else {}
    )
    | (
        _grouped("birth", _BIRTH) | _grouped("ethnicity", _ETHNICITY)
        if entity == "demographics"
        else {}
    )
    for entity in _BASE
}
FIELDS: Final[Mapping[str, frozenset[str]]] = {
    entity: frozenset(groups) for entity, groups in FIELD_GROUPS.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragments:
    """Texts per field group, in the order in which they are joined."""

    base: str
    names: str = ""
    contact: str = ""
    identifiers: str = ""
    birth: str = ""
    ethnicity: str = ""
    refs: str = ""
    metadata: str = ""


GROUPS: Final = tuple(field.name for field in fields(Fragments))


def stamp_text(stamp: datetime) -> str:
    """`dateLastModified` as sent: UTC with milliseconds and a Z."""
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{stamp.microsecond // 1000:03d}Z"


def render(
    key: Key,
    record: Record,
    *,
    status: Status,
    stamp: str,
    is_shown: Callable[[Key], bool],
) -> Fragments:
    """Texts of `record`; references whose target is not shown are left out.

    `stamp` is as `stamp_text` gives it.
    """
    entity = key.entity
    head: dict[str, Any] = {
        "sourcedId": key.sourced_id,
        "status": status,
        "dateLastModified": stamp,
    }
    metadata = record.get("metadata")
    user = entity == "user"
    demographics = entity == "demographics"
    return Fragments(
        base=_inside(head | _picked(record, _BASE[entity])),
        names=_group(_picked(record, _NAMES)) if user else "",
        contact=_group(_picked(record, _CONTACT)) if user else "",
        identifiers=_group(_identifiers(record)) if user else "",
        birth=_group(_picked(record, _BIRTH)) if demographics else "",
        ethnicity=_group(_picked(record, _ETHNICITY)) if demographics else "",
        refs=_group(_refs(entity, record, is_shown)),
        metadata=_group({"metadata": metadata}) if metadata else "",
    )


def _picked(record: Record, names: tuple[str, ...]) -> dict[str, Any]:
    picked: dict[str, Any] = {}
    for name in names:
        value = record.get(name)
        if value is True:
            picked[name] = "true"
        elif value is False:
            picked[name] = "false"
        elif value is not None:
            picked[name] = value
    return picked


def _identifiers(record: Record) -> dict[str, Any]:
    picked = _picked(record, _IDENTIFIERS)
    if "userProfiles" in picked:
        picked["userProfiles"] = [
            {**profile, "profileId": as_uri(profile["profileId"])}
            for profile in picked["userProfiles"]
        ]
    return picked


def _role(role: Record) -> dict[str, Any]:
    picked = _picked(role, ("roleType", "role", "userProfile", "beginDate", "endDate"))
    if "userProfile" in picked:
        picked["userProfile"] = as_uri(picked["userProfile"])
    return picked | {"org": guid_ref("org", role["org"]["sourcedId"])}


def _refs(entity: Entity, record: Record, is_shown: Callable[[Key], bool]) -> dict[str, Any]:
    refs: dict[str, Any] = {}
    if entity == "user":
        refs["roles"] = [
            _role(role)
            for role in record["roles"]
            if is_shown(Key("org", role["org"]["sourcedId"]))
        ]
    for name, target in REFS[entity]:
        value = record.get(name)
        if isinstance(value, (list, tuple)):
            shown = [r["sourcedId"] for r in value if is_shown(Key(target, r["sourcedId"]))]
            refs[name] = [guid_ref(target, sourced_id) for sourced_id in shown]
        elif value is not None and is_shown(Key(target, value["sourcedId"])):
            refs[name] = guid_ref(target, value["sourcedId"])
    return refs


@lru_cache(maxsize=100_000)
def guid_ref(entity: Entity, sourced_id: str) -> orjson.Fragment:
    """A OneRoster GUIDRef whose `href` starts with the host mark. Kept: schools come up often."""
    href = f"{HOST_MARK}/{_PATHS[entity]}/{quote(sourced_id, safe='')}"
    name = orjson.dumps(sourced_id).decode()
    return orjson.Fragment(f'{{"href":"{href}","sourcedId":{name},"type":"{entity}"}}')


def _inside(body: dict[str, Any]) -> str:
    return orjson.dumps(body)[1:-1].decode()


def _group(body: dict[str, Any]) -> str:
    return f",{_inside(body)}" if body else ""
