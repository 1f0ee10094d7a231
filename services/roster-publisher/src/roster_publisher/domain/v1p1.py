"""OneRoster 1.1 as another wording of the same roster: bodies, names of fields, token scopes. Pure.

Bodies are mapped when they are read, from what this vendor sees of the 1.2 body; nothing is stored
twice. Source: OneRoster 1.1, data model; ADR 0026.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from roster_publisher.domain.access import Grant
from roster_publisher.domain.collections import SCOPE_PREFIX, V1P1_SCOPE_PREFIX, Collection
from roster_publisher.domain.fields import Field, find_field
from roster_publisher.domain.filters import Clause, Filter, Words
from roster_publisher.domain.fragments import FIELDS
from roster_publisher.domain.views import Body

# Whoever 1.1 has no word for gets the one to which the fewest rights are given.
UNHEARD_ROLE: Final = "relative"
EXTENSION: Final = "ext:"
ROLES: Final[Mapping[str, str]] = {
    "aide": "aide",
    "counselor": "aide",
    "districtAdministrator": "administrator",
    "guardian": "guardian",
    "parent": "parent",
    "principal": "administrator",
    "proctor": "proctor",
    "relative": "relative",
    "siteAdministrator": "administrator",
    "student": "student",
    "systemAdministrator": "administrator",
    "teacher": "teacher",
    # Of enrolments.
    "administrator": "administrator",
}
_SEXES: Final = frozenset({"male", "female"})
_ONLY_V1P2: Final[Mapping[str, frozenset[str]]] = {
    "user": frozenset(
        {
            "userMasterIdentifier",
            "userProfiles",
            "preferredFirstName",
            "preferredMiddleName",
            "preferredLastName",
            "pronouns",
            "primaryOrg",
            "roles",
        }
    )
}
_ONLY_V1P1: Final[Mapping[str, frozenset[str]]] = {"user": frozenset({"role", "orgs"})}
V1P1_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    entity: (names - _ONLY_V1P2.get(entity, frozenset())) | _ONLY_V1P1.get(entity, frozenset())
    for entity, names in FIELDS.items()
}
_ROLE_PATHS: Final = frozenset({("role",), ("roles", "role")})
_RENAMED: Final[Mapping[tuple[str, str], str]] = {
    ("user", "role"): "roles.role",
    ("user", "orgs.sourcedId"): "roles.org.sourcedId",
    ("user", "orgs.type"): "roles.org.type",
}


def v1p1_scopes(collection: Collection) -> frozenset[str]:
    """The token scopes of 1.1 that open what those of 1.2 with the same names open."""
    return frozenset(v1p1_scope(scope) for scope in collection.scopes)


def v1p1_scope(scope: str) -> str:
    """The token scope of 1.1 with the name of one of 1.2."""
    return V1P1_SCOPE_PREFIX + scope.removeprefix(SCOPE_PREFIX)


def find_v1p1_field(name: str, entity: str, grant: Grant) -> Field | None:
    """As `find_field`, for a field by its name in 1.1."""
    if name.partition(".")[0] not in V1P1_FIELDS[entity]:
        return None
    found = find_field(_RENAMED.get((entity, name), name), entity, grant)
    return None if found is None else replace(found, name=name)


def in_v1p2_words(asked: Filter) -> Filter:
    """A filter by roles of 1.1 as one by those of 1.2 that are told so."""
    return replace(asked, clauses=tuple(map(_in_v1p2_words, asked.clauses)))


def _in_v1p2_words(clause: Clause) -> Clause:
    if clause.field.path not in _ROLE_PATHS or clause.predicate not in {"=", "!="}:
        return clause
    return replace(clause, value=_told_as(str(clause.value)))


def _told_as(word: str) -> Words:
    """The roles whose word in 1.1 is `word`, as `_role` tells them."""
    others = word == UNHEARD_ROLE
    found = [role for role, told in ROLES.items() if (told == word) is not others]
    return Words(told=word, words=(*found, *(EXTENSION + role for role in found)), others=others)


def to_v1p1(body: Body, entity: str) -> Body:
    """The 1.1 body of a 1.2 body, which may be changed; references stay as they are."""
    convert = _CONVERT.get(entity)
    return body if convert is None else convert(body)


def _class(body: Body) -> Body:
    if "periods" in body:
        body["periods"] = ",".join(body["periods"])
    return body


def _user(body: Body) -> Body:
    roles = body["roles"]
    held = next((one for one in roles if one["roleType"] == "primary"), roles[0] if roles else None)
    kept = {name: body[name] for name in body if name in V1P1_FIELDS["user"]}
    orgs = {one["org"]["sourcedId"]: one["org"] for one in roles}
    return kept | {
        # Required: what is withheld or not known is there and empty, as names are.
        "username": body.get("username", ""),
        "enabledUser": body["enabledUser"] == "true",
        "role": UNHEARD_ROLE if held is None else _role(held["role"]),
        "orgs": list(orgs.values()),
    }


def _enrollment(body: Body) -> Body:
    body["role"] = _role(body["role"])
    if "primary" in body:
        body["primary"] = body["primary"] == "true"
    return body


def _demographics(body: Body) -> Body:
    if body.get("sex") not in _SEXES:
        body.pop("sex", None)
    return body | {name: body[name] == "true" for name in body.keys() & _ASKED}


def _role(role: str) -> str:
    # Roles of classes that only 1.1 has are extensions in 1.2.
    return ROLES.get(role.removeprefix(EXTENSION), UNHEARD_ROLE)


_ASKED: Final = frozenset(
    {
        "americanIndianOrAlaskaNative",
        "asian",
        "blackOrAfricanAmerican",
        "nativeHawaiianOrOtherPacificIslander",
        "white",
        "demographicRaceTwoOrMoreRaces",
        "hispanicOrLatinoEthnicity",
    }
)
_CONVERT: Final[Mapping[str, Callable[[Body], Body]]] = {
    "class": _class,
    "user": _user,
    "enrollment": _enrollment,
    "demographics": _demographics,
}
