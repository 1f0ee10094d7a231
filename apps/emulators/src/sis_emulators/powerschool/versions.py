"""`/ws/dataversion/{application}/{version}`: numbers of the records written since.

The public page gives `$dataversion` and says of `tables` only that it is a list of tables, so two
shapes are served. Deleted records are among the numbers; reading one is a 404.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sis_emulators.office.records import Record, Staff
from sis_emulators.office.tables import Office
from sis_emulators.powerschool.rest import Refused, Rest
from sis_emulators.wire.answers import Json

Shape = Literal["objects", "rows"]
BASE = "/ws/dataversion"
# Database tables of a plugin's data version subscription, by the office's own.
TABLES = {
    "schools": "SCHOOLS",
    "terms": "TERMS",
    "courses": "COURSES",
    "staff": "SCHOOLSTAFF",
    "sections": "SECTIONS",
    "students": "STUDENTS",
    "enrolments": "CC",
}


class Versions:
    """The deltas of one application name; another is refused."""

    def __init__(self, office: Office, rest: Rest, application: str, shape: Shape) -> None:
        self._office = office
        self._rest = rest
        self._application = application
        self._write = SHAPES[shape]

    def routes(self) -> list[Route]:
        """The one."""
        path = f"{BASE}/{{application}}/{{version:int}}"
        return [Route(path, self._rest.guarded(self._answer), methods=["GET"])]

    def _answer(self, request: Request) -> Response:
        version: int = request.path_params["version"]
        if request.path_params["application"] != self._application:
            raise Refused(400, "no data version subscription of this name")
        if version > self._office.version:
            raise Refused(400, "this data version has not been given out")
        found = {
            name: [number for row in self._office.table(table).since(version)
                   for number in _numbers(row)]
            for table, name in TABLES.items()
        }  # fmt: skip
        tables = [self._write(name, numbers) for name, numbers in found.items() if numbers]
        return Json({"$dataversion": self._office.version, "tables": tables})


def _numbers(row: Record) -> Iterator[int]:
    if isinstance(row, Staff):
        yield from (post.dcid for post in row.posts)
    else:
        yield row.dcid


def _objects(name: str, numbers: list[int]) -> Any:
    return {name: [{"id": number} for number in numbers]}


def _rows(name: str, numbers: list[int]) -> Any:
    return [{"table_name": name, "id": number} for number in numbers]


SHAPES: dict[Shape, Callable[[str, list[int]], Any]] = {"objects": _objects, "rows": _rows}
