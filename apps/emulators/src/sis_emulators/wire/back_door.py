"""The back door of tests and the demo: `/_clerk`, `/_faults`, `/_evidence`. No SIS has it."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sis_emulators.clock import iso
from sis_emulators.evidence import Evidence
from sis_emulators.faults import KINDS, Faults
from sis_emulators.office.clerk import Clerk
from sis_emulators.office.records import Person, Record
from sis_emulators.office.tables import Office
from sis_emulators.wire.answers import Json, told

# How a face calls a record: its outside ids by the name of the interface that gives them.
NamesOf = Callable[[Record], dict[str, str]]
# What a call may say, by the clerk's own word for it.
WORDS = {
    "givenName": "given",
    "familyName": "family",
    "preferredName": "preferred",
    "noShow": "no_show",
    "jobTitle": "title",
    "from": "leave",
    "open": "is_open",
}


class BackDoor:
    """The routes of one emulator's back door."""

    def __init__(
        self, office: Office, clerk: Clerk, faults: Faults, evidence: Evidence, names_of: NamesOf
    ) -> None:
        self._office = office
        self._clerk = clerk
        self._faults = faults
        self._evidence = evidence
        self._names_of = names_of
        self._tables = {table.name for table in office.tables()}

    def routes(self) -> list[Route]:
        """All of them."""
        deeds: dict[str, Callable[..., list[Record]]] = {
            "/_clerk/students": self._clerk.enrol,
            "/_clerk/students/{dcid:int}/name": self._clerk.rename,
            "/_clerk/students/{dcid:int}/portal": self._clerk.portal,
            "/_clerk/students/{dcid:int}/class": self._clerk.move_class,
            "/_clerk/students/{dcid:int}/school": self._clerk.move_school,
            "/_clerk/students/{dcid:int}/withdraw": self._clerk.withdraw,
            "/_clerk/students/{dcid:int}/delete": self._clerk.delete,
            "/_clerk/withdraw": self._clerk.withdraw_share,
            "/_clerk/rekey": self._clerk.rekey,
            "/_clerk/sections": self._clerk.open_section,
            "/_clerk/staff": self._clerk.hire,
            "/_clerk/staff/{dcid:int}/dismiss": self._clerk.dismiss,
        }
        return [
            *(Route(path, self._doing(deed), methods=["POST"]) for path, deed in deeds.items()),
            Route("/_clerk", self._summary, methods=["GET"]),
            Route("/_clerk/{table}", self._listing, methods=["GET"]),
            Route("/_clerk/{table}/{dcid:int}", self._one, methods=["GET"]),
            Route("/_faults", self._read_faults, methods=["GET"]),
            Route("/_faults", self._put_faults, methods=["PUT"]),
            Route("/_faults", self._no_faults, methods=["DELETE"]),
            Route("/_evidence", self._read_evidence, methods=["GET"]),
            Route("/_evidence", self._no_evidence, methods=["DELETE"]),
        ]

    def _doing(self, deed: Callable[..., list[Record]]) -> Callable[..., Any]:
        async def endpoint(request: Request) -> Response:
            """What the deed touched; 404 for nobody, 400 for what it cannot take."""
            try:
                said = {
                    WORDS.get(name, name): value for name, value in (await told(request)).items()
                }
                wrote = deed(**request.path_params, **said)
            except KeyError:
                return _problem(404, "nobody has this number")
            except (TypeError, ValueError, StopIteration) as error:
                return _problem(400, str(error))
            return Json(self._deed(wrote))

        return endpoint

    def _deed(self, wrote: list[Record]) -> dict[str, Any]:
        return {
            "at": iso(self._office.clock.stamp()),
            "version": self._office.version,
            "count": len(wrote),
            "records": [self._shown(record) for record in islice(wrote, 100)],
        }

    def _shown(self, record: Record) -> dict[str, Any]:
        return {
            "table": _table_of(record),
            **_plain(asdict(record)),
            "sourcedIds": self._names_of(record),
        }

    async def _summary(self, _request: Request) -> Response:
        live = {
            table.name: sum(1 for row in table.live() if getattr(row, "active", True))
            for table in self._office.tables()
        }
        return Json({
            "district": asdict(self._office.district), "version": self._office.version,
            "generation": self._office.generation, "active": live,
        })  # fmt: skip

    async def _listing(self, request: Request) -> Response:
        name = request.path_params["table"]
        if name == "people":
            rows: Iterable[Record] = (
                row
                for table in self._office.tables()
                for row in table.rows.values()
                if isinstance(row, Person)
            )
        elif name in self._tables:
            rows = self._office.table(name).rows.values()
        else:
            return _problem(404, f"there are people, {', '.join(sorted(self._tables))}")
        limit = int(request.query_params.get("limit", "100"))
        offset = int(request.query_params.get("offset", "0"))
        page = islice(rows, offset, offset + limit)
        return Json({"records": [self._shown(row) for row in page]})

    async def _one(self, request: Request) -> Response:
        try:
            table = self._office.table(request.path_params["table"])
            return Json(self._shown(table.get(request.path_params["dcid"])))
        except KeyError:
            return _problem(404, "nobody has this number")

    async def _read_faults(self, _request: Request) -> Response:
        kinds = {kind: meaning for kind, (meaning, _) in KINDS.items()}
        return Json({"faults": self._faults.waiting(), "kinds": kinds})

    async def _put_faults(self, request: Request) -> Response:
        try:
            self._faults.replace((await told(request)).get("faults", []))
        except (TypeError, ValueError) as error:
            return _problem(400, str(error))
        return await self._read_faults(request)

    async def _no_faults(self, request: Request) -> Response:
        self._faults.replace([])
        return await self._read_faults(request)

    async def _read_evidence(self, _request: Request) -> Response:
        return Json({**self._evidence.report(), "faults": dict(self._faults.struck)})

    async def _no_evidence(self, request: Request) -> Response:
        self._evidence.forget()
        self._faults.struck.clear()
        return await self._read_evidence(request)


def _table_of(record: Record) -> str:
    return {"Staff": "staff"}.get(type(record).__name__, f"{type(record).__name__.lower()}s")


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "modified": iso(fields["modified"])}


def _problem(status: int, what: str) -> Response:
    return Json({"message": what}, status_code=status)
