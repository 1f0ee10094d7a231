"""OneRoster CSV rows to OneRoster 1.2 objects. Pure: one row in, one record or a reason out.

Tolerant where exports deviate and the meaning is plain: blanks around values, capitals in
booleans and class types, `inactive` for a deletion, dates with a time behind them.
Source: CSV binding 1.1 and 1.2.1; roles of 1.1 after shared role table below.
"""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from roster_common.contracts.oneroster import OBJECTS, to_record
from roster_common.contracts.validation import read_object
from roster_common.errors import Invalid
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.records import Record, canonical
from sis_ingest.sources.oneroster_csv.layout import FLAGS, is_metadata

Row = Mapping[str, str]

_STATUS: Final = {"": False, "active": False, "tobedeleted": True, "inactive": True}
_TRUTH: Final = {"true": True, "false": False}
_USER_ID: Final = re.compile(r"\{([^:{}]+):([^{}]*)\}")
_NO_USER_IDS: Final = frozenset({"", "[]", "{}"})
# 1.0 has one id of another system without its type; the column's name stands for it.
_OF_1_0: Final = "userId"

_YEAR_DIGITS: Final = 4
_SCHOOL_YEAR_TURNS: Final = "07"

# 1.1 knows one administrator; 1.2 asks where. The type of the org decides.
_ADMINISTRATOR_AT: Final = {"school": "siteAdministrator", "district": "districtAdministrator"}
_ANY_ADMINISTRATOR: Final = "siteAdministrator"
# 1.1 has eight roles in a class, 1.2 four; the others live on as extensions of the open list.
_ONLY_IN_1_1: Final = frozenset({"aide", "guardian", "parent", "relative"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a row cannot know by itself: types of orgs, the roles of 1.2 by user, and whether
    roster-publisher wrote it.
    """

    org_types: Mapping[str, str]
    roles_of: Callable[[str], Sequence[Mapping[str, Any]]] | None
    ours: bool = False


def is_deleted(row: Row) -> bool:
    """Whether the row says that the record is gone. Raises `Invalid` for an unknown status."""
    try:
        return _STATUS[row.get("status", "").strip().lower()]
    except KeyError:
        raise Invalid("unknown_status", field="status") from None


def to_object(entity: Entity, row: Row, context: Context) -> Record:
    """The row as a canonical OneRoster 1.2 record. Raises `Invalid` naming the column's field."""
    body = _BUILDERS[entity](row, context)
    body["sourcedId"] = row.get("sourcedId", "").strip()
    if not body["sourcedId"]:
        raise Invalid("missing", field="sourcedId")
    metadata = {
        name.removeprefix("metadata."): value.strip()
        for name, value in row.items()
        if is_metadata(name) and value.strip()
    }
    if metadata:
        body["metadata"] = metadata
    kept = {name: value for name, value in body.items() if value not in ("", None, [])}
    return canonical(to_record(read_object(OBJECTS[entity], kept)))


def to_role(row: Row) -> tuple[str, dict[str, Any]]:
    """(user id, role at an org) of a row of `roles.csv`. Raises `Invalid`."""
    user = row.get("userSourcedId", "").strip()
    if not user:
        raise Invalid("missing", field="userSourcedId")
    role = {
        "roleType": _text(row, "roleType"),
        "role": _text(row, "role"),
        "org": _ref(row, "orgSourcedId"),
        "beginDate": _day(row, "beginDate"),
        "endDate": _day(row, "endDate"),
    }
    return user, {name: value for name, value in role.items() if value not in ("", None)}


def _text(row: Row, name: str) -> str:
    return row.get(name, "").strip()


def _list(row: Row, name: str) -> list[str]:
    return [item for part in row.get(name, "").split(",") if (item := part.strip())]


def _texts(row: Row, name: str, context: Context) -> list[str]:
    """Items with commas between; in packages of ours, one that holds a comma stands in quotes, as
    a cell does.
    """
    cell = row.get(name, "")
    if not context.ours or '"' not in cell:
        return _list(row, name)
    try:
        parts = next(csv.reader([cell]))
    except csv.Error:  # a line break outside quotes
        raise Invalid("not_a_list", field=name) from None
    return [item for part in parts if (item := part.strip())]


def _ref(row: Row, name: str) -> dict[str, str] | None:
    found = _text(row, name)
    return {"sourcedId": found} if found else None


def _refs(row: Row, name: str) -> list[dict[str, str]]:
    return [{"sourcedId": found} for found in _list(row, name)]


def _truth(row: Row, name: str) -> bool | None:
    found = _text(row, name).lower()
    if not found:
        return None
    if found not in _TRUTH:
        raise Invalid("not_a_boolean", field=name)
    return _TRUTH[found]


def _day(row: Row, name: str) -> str:
    """A date; what some exports put behind it (T00:00:00Z) is cut off."""
    return _text(row, name).partition("T")[0].partition(" ")[0]


def _org(row: Row, _context: Context) -> dict[str, Any]:
    return {
        "name": _text(row, "name"),
        "type": _text(row, "type"),
        # Required in JSON, optional in CSV: the id is the best there is.
        "identifier": _text(row, "identifier") or _text(row, "sourcedId"),
        "parent": _ref(row, "parentSourcedId"),
    }


def _session(row: Row, _context: Context) -> dict[str, Any]:
    return {
        "title": _text(row, "title"),
        "type": _text(row, "type"),
        "startDate": _day(row, "startDate"),
        "endDate": _day(row, "endDate"),
        "parent": _ref(row, "parentSourcedId"),
        "schoolYear": _text(row, "schoolYear") if "schoolYear" in row else _school_year(row),
    }


def _school_year(row: Row) -> str:
    """The year in which the school year ends that the session begins in; it turns in July.

    1.0 has no column for it, which OneRoster needs since. A bad date is told by its own field.
    """
    year, _, rest = _day(row, "startDate").partition("-")
    if len(year) != _YEAR_DIGITS or not (year.isascii() and year.isdigit()):
        return ""
    return str(int(year) + (rest >= _SCHOOL_YEAR_TURNS))


def _course(row: Row, context: Context) -> dict[str, Any]:
    return {
        "title": _text(row, "title"),
        "courseCode": _text(row, "courseCode") or _text(row, "sourcedId"),
        "schoolYear": _ref(row, "schoolYearSourcedId"),
        "org": _ref(row, "orgSourcedId"),
        "grades": _texts(row, "grades", context),
        "subjects": _texts(row, "subjects", context),
        "subjectCodes": _texts(row, "subjectCodes", context),
    }


def _class(row: Row, context: Context) -> dict[str, Any]:
    return {
        "title": _text(row, "title"),
        "classCode": _text(row, "classCode"),
        "classType": _text(row, "classType").lower(),
        "location": _text(row, "location"),
        "course": _ref(row, "courseSourcedId"),
        "school": _ref(row, "schoolSourcedId"),
        "terms": _refs(row, "termSourcedIds"),
        "grades": _texts(row, "grades", context),
        "subjects": _texts(row, "subjects", context),
        "subjectCodes": _texts(row, "subjectCodes", context),
        "periods": _texts(row, "periods", context),
    }


def _user(row: Row, context: Context) -> dict[str, Any]:
    return {
        # 1.0 has no such switch: whom it lists may sign in.
        "enabledUser": _truth(row, "enabledUser") if "enabledUser" in row else True,
        "username": _text(row, "username"),
        "userIds": _user_ids(row),
        "givenName": _text(row, "givenName"),
        "familyName": _text(row, "familyName"),
        "middleName": _text(row, "middleName"),
        "preferredFirstName": _text(row, "preferredGivenName"),
        "preferredMiddleName": _text(row, "preferredMiddleName"),
        "preferredLastName": _text(row, "preferredFamilyName"),
        "pronouns": _text(row, "pronouns"),
        "userMasterIdentifier": _text(row, "userMasterIdentifier"),
        "identifier": _text(row, "identifier"),
        "email": _text(row, "email"),
        "sms": _text(row, "sms"),
        "phone": _text(row, "phone"),
        "agents": _refs(row, "agentSourcedIds"),
        "grades": _texts(row, "grades", context),
        "primaryOrg": _ref(row, "primaryOrgSourcedId"),
        "roles": _roles(row, context),
    }


def _roles(row: Row, context: Context) -> Sequence[Mapping[str, Any]]:
    """1.2: what roles.csv says; 1.1: the one role at each org, primary at every one of them."""
    if context.roles_of is not None:
        return context.roles_of(_text(row, "sourcedId"))
    role = _text(row, "role")
    return [
        {
            "roleType": "primary",
            "role": _role_at(role, context.org_types.get(org)),
            "org": {"sourcedId": org},
        }
        for org in dict.fromkeys(_list(row, "orgSourcedIds"))
    ]


def _role_at(role: str, org_type: str | None) -> str:
    if role != "administrator":
        return role
    return _ADMINISTRATOR_AT.get(org_type or "", _ANY_ADMINISTRATOR)


def _user_ids(row: Row) -> list[dict[str, str]]:
    plain = _text(row, "userId")
    given = _text(row, "userIds") or plain
    if given in _NO_USER_IDS:
        return []
    found = _USER_ID.findall(given)
    if plain and not found:
        return [{"type": _OF_1_0, "identifier": plain}]
    if not found:
        raise Invalid("not_type_and_id", field="userIds")
    return [
        {"type": kind.strip(), "identifier": identifier.strip()}
        for kind, identifier in found
        if identifier.strip()
    ]


def _demographics(row: Row, _context: Context) -> dict[str, Any]:
    return {
        "birthDate": _day(row, "birthDate"),
        "sex": _text(row, "sex").lower(),
        **{flag: _truth(row, flag) for flag in FLAGS},
        "countryOfBirthCode": _text(row, "countryOfBirthCode"),
        "stateOfBirthAbbreviation": _text(row, "stateOfBirthAbbreviation"),
        "cityOfBirth": _text(row, "cityOfBirth"),
        "publicSchoolResidenceStatus": _text(row, "publicSchoolResidenceStatus"),
    }


def _enrollment(row: Row, _context: Context) -> dict[str, Any]:
    role = _text(row, "role")
    return {
        "class": _ref(row, "classSourcedId"),
        "school": _ref(row, "schoolSourcedId"),
        "user": _ref(row, "userSourcedId"),
        "role": f"ext:{role}" if role in _ONLY_IN_1_1 else role,
        "primary": _truth(row, "primary"),
        "beginDate": _day(row, "beginDate"),
        "endDate": _day(row, "endDate"),
    }


_BUILDERS: Final[Mapping[Entity, Callable[[Row, Context], dict[str, Any]]]] = {
    "org": _org,
    "academicSession": _session,
    "course": _course,
    "class": _class,
    "user": _user,
    "demographics": _demographics,
    "enrollment": _enrollment,
}
