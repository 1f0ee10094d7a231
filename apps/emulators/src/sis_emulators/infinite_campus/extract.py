"""The Data Extract Utility: CSV files in a folder, each growing in steps as a slow copy does.

A district chooses columns and names itself; these are the OneRoster 1.1 CSV files of a whole
snapshot, with a manifest.
"""

import asyncio
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from sis_emulators.office.tables import Office
from sis_emulators.rostering.collections import Collections
from sis_emulators.rostering.dialect import Dialect
from sis_emulators.rostering.shapes import Body, Shapes
from sis_emulators.wire.answers import Json, told

# Column to where its value stands in the JSON; dates of change and status stay blank in a snapshot.
_FILES: Final[Mapping[str, Mapping[str, str]]] = {
    "academicSessions": {
        "title": "title", "type": "type", "startDate": "startDate", "endDate": "endDate",
        "parentSourcedId": "parent", "schoolYear": "schoolYear",
    },
    "orgs": {
        "name": "name", "type": "type", "identifier": "identifier", "parentSourcedId": "parent",
    },
    "courses": {
        "schoolYearSourcedId": "", "title": "title", "courseCode": "courseCode",
        "grades": "grades", "orgSourcedId": "org", "subjects": "subjects", "subjectCodes": "",
    },
    "classes": {
        "title": "title", "grades": "grades", "courseSourcedId": "course",
        "classCode": "classCode", "classType": "classType", "location": "location",
        "schoolSourcedId": "school", "termSourcedIds": "terms", "subjects": "subjects",
        "subjectCodes": "", "periods": "periods",
    },
    "users": {
        "enabledUser": "enabledUser", "orgSourcedIds": "orgs", "role": "role",
        "username": "username", "userIds": "", "givenName": "givenName",
        "familyName": "familyName", "middleName": "middleName", "identifier": "identifier",
        "email": "email", "sms": "", "phone": "phone", "agentSourcedIds": "agents",
        "grades": "grades", "password": "",
    },
    "enrollments": {
        "classSourcedId": "class", "schoolSourcedId": "school", "userSourcedId": "user",
        "role": "role", "primary": "primary", "beginDate": "beginDate", "endDate": "endDate",
    },
    "demographics": {
        "birthDate": "birthDate", "sex": "sex", "americanIndianOrAlaskaNative": "", "asian": "",
        "blackOrAfricanAmerican": "", "nativeHawaiianOrOtherPacificIslander": "", "white": "",
        "demographicRaceTwoOrMoreRaces": "", "hispanicOrLatinoEthnicity": "",
        "countryOfBirthCode": "", "stateOfBirthAbbreviation": "", "cityOfBirth": "",
        "publicSchoolResidenceStatus": "",
    },
}  # fmt: skip
_ABSENT = (
    "categories", "classResources", "courseResources", "lineItems", "resources", "results",
)  # fmt: skip
_BASE = ("sourcedId", "status", "dateLastModified")


class Extract:
    """Writes extracts of one office into one folder."""

    def __init__(self, office: Office, dialect: Dialect, folder: Path | None) -> None:
        self._office = office
        self._shapes = Shapes(office, dialect, "")
        self._collections = Collections(office, dialect)
        self._folder = folder

    async def endpoint(self, request: Request) -> Response:
        """Answers when all files are whole: their names, in the order of writing."""
        if self._folder is None:
            return Json({"message": "started without --extract-dir"}, status_code=409)
        said = await told(request)
        day = self._office.clock.today().strftime("_%Y%m%d") if said.get("stamp") else ""
        names: list[str] = []
        for file, text in self._texts():
            name = f"{file}{day}.csv"
            await _grow(
                self._folder / name, text.encode(), steps=int(said.get("steps", 1)),
                pause_s=float(said.get("stepSeconds", 0)),
            )  # fmt: skip
            if said.get("done"):
                (self._folder / f"{name}.done").touch()
            names.append(name)
        return Json({"files": names})

    def _texts(self) -> list[tuple[str, str]]:
        return [("manifest", _manifest()), *((name, self._text(name)) for name in _FILES)]

    def _text(self, name: str) -> str:
        columns = _FILES[name]
        bodies = (item.write(self._shapes) for item in self._collections.items(name))
        live = (body for body in bodies if body["status"] == "active")
        return _csv([
            [*_BASE, *columns],
            *([str(body["sourcedId"]), "", "", *_cells(body, columns)] for body in live),
        ])  # fmt: skip


async def _grow(path: Path, content: bytes, *, steps: int, pause_s: float) -> None:
    """Writes in place, not by rename: a reader can see half a file."""
    size = max(1, -(-len(content) // steps))
    for start in range(0, len(content), size):
        mode = "ab" if start else "wb"
        await asyncio.to_thread(_write, path, mode, content[start : start + size])
        await asyncio.sleep(pause_s)


def _write(path: Path, mode: str, content: bytes) -> None:
    with path.open(mode) as file:
        file.write(content)


def _cells(body: Body, columns: Mapping[str, str]) -> list[str]:
    return [_cell(body.get(place)) if place else "" for place in columns.values()]


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return ",".join(_cell(one) for one in value)
        case {"sourcedId": str(sourced_id)}:
            return sourced_id
        case _:
            return str(value)


def _manifest() -> str:
    return _csv([
        ["propertyName", "value"], ["manifest.version", "1.0"], ["oneroster.version", "1.1"],
        *([f"file.{name}", "bulk"] for name in _FILES),
        *([f"file.{name}", "absent"] for name in _ABSENT),
    ])  # fmt: skip


def _csv(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()
