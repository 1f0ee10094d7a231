"""Writes values into cells of a CSV package. Pure.

Source: OneRoster CSV binding 1.1 and 1.2.1: lists are joined by commas in one cell, `userIds` are
`{type:identifier}`.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from roster_common.csv_formulas import METADATA, guarded
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
_MANY_REFS: Final = {
    "termSourcedIds": "terms",
    "agentSourcedIds": "agents",
    "orgSourcedIds": "orgs",
}


def cell_of(body: Body, column: str) -> str:
    """What stands in the column of a body's row; nothing where the body lacks it."""
    if column.startswith(METADATA):
        return _plain(body.get("metadata", {}).get(column.removeprefix(METADATA), ""))
    if column in _ONE_REF:
        return str(body.get(_ONE_REF[column], {}).get("sourcedId", ""))
    if column in _MANY_REFS:
        return _listed(ref["sourcedId"] for ref in body.get(_MANY_REFS[column], ()))
    if column == "userIds":
        ids = body.get("userIds", ())
        return _listed(f"{{{one['type']}:{one['identifier']}}}" for one in ids)
    value = body.get(_RENAMED.get(column, column), "")
    return _listed(map(str, value)) if isinstance(value, list) else _plain(value)


def cells_of(cells: Mapping[str, str], columns: Iterable[str]) -> list[str]:
    """Cells by column as a row has them."""
    return [guarded(column, cells.get(column, "")) for column in columns]


def _listed(items: Iterable[str]) -> str:
    found = list(items)
    if not any("," in item or '"' in item for item in found):
        return ",".join(found)
    # As a line of CSV within the cell.
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(found)
    return text.getvalue()


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else orjson.dumps(value).decode()
