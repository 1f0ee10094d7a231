"""Turns OneRoster 1.2 bodies, as a vendor reads them, into cells of a CSV package. Pure.

Source: OneRoster CSV binding 1.1 and 1.2.1: lists are joined by commas in one cell, `userIds` are
`{type:identifier}`, names that were preferred have columns of other names.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from roster_publisher.domain.csv_layout import File, Mode, Version
from roster_publisher.domain.views import Body

_RENAMED: Final = {
    "preferredGivenName": "preferredFirstName",
    "preferredFamilyName": "preferredLastName",
}
_ONE_REF: Final = {
    "parentSourcedId": "parent",
    "schoolYearSourcedId": "schoolYear",
    "orgSourcedId": "org",
    "courseSourcedId": "course",
    "schoolSourcedId": "school",
    "classSourcedId": "class",
    "userSourcedId": "user",
    "primaryOrgSourcedId": "primaryOrg",
}
_MANY_REFS: Final = {"termSourcedIds": "terms", "agentSourcedIds": "agents"}
_ROLES_11: Final[Mapping[str, str]] = {
    "aide": "aide",
    "guardian": "guardian",
    "parent": "parent",
    "proctor": "proctor",
    "relative": "relative",
    "student": "student",
    "teacher": "teacher",
}
_ROLE_ID: Final = 32


def rows_of(file: File, body: Body, *, version: Version, mode: Mode) -> Iterable[list[str]]:
    """Rows of `file` for one body: one, or one per role. Bulk has neither status nor time."""
    if file.name == "roles":
        for role in body.get("roles", ()):
            cells = _role_cells(body["sourcedId"], role)
            yield [_role_id(cells), *_state(body, mode), *(cells[c] for c in file.columns)]
        return
    old = _old_user(body) if file.name == "users" and version == "1.1" else {}
    cells_of = (old[c] if c in old else _cell(body, c, file.name) for c in file.columns)
    yield [body["sourcedId"], *_state(body, mode), *cells_of]


def _state(body: Body, mode: Mode) -> tuple[str, str]:
    return ("", "") if mode == "bulk" else (body["status"], body["dateLastModified"])


def _cell(body: Body, column: str, file: str) -> str:
    if column in _ONE_REF and file != "roles":
        return str(body.get(_ONE_REF[column], {}).get("sourcedId", ""))
    if column in _MANY_REFS:
        return ",".join(ref["sourcedId"] for ref in body.get(_MANY_REFS[column], ()))
    if column == "userIds":
        ids = body.get("userIds", ())
        return ",".join(f"{{{one['type']}:{one['identifier']}}}" for one in ids)
    return _text(body.get(_RENAMED.get(column, column), ""))


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _role_cells(user_id: str, role: Mapping[str, Any]) -> dict[str, str]:
    return {
        "userSourcedId": user_id,
        "roleType": role["roleType"],
        "role": role["role"],
        "beginDate": role.get("beginDate", ""),
        "endDate": role.get("endDate", ""),
        "orgSourcedId": role["org"]["sourcedId"],
        "userProfileSourcedId": "",
    }


def _role_id(cells: Mapping[str, str]) -> str:
    """The same role of the same person always has the same id: the store keeps none."""
    return sha256("\x00".join(cells.values()).encode()).hexdigest()[:_ROLE_ID]


def _old_user(body: Body) -> dict[str, str]:
    """1.1 has one role per person: the primary one, else the first."""
    roles = body.get("roles", ())
    first = min(roles, key=lambda role: role["roleType"] != "primary", default=None)
    orgs = dict.fromkeys(role["org"]["sourcedId"] for role in roles)
    return {
        "orgSourcedIds": ",".join(orgs),
        "role": "" if first is None else _ROLES_11.get(first["role"], "administrator"),
    }
