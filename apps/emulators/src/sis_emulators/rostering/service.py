"""The GET collections of OneRoster and their single records, with pages, counts and errors.

Errors are the bare status object of the 1.2 OpenAPI, in both versions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sis_emulators.clock import iso
from sis_emulators.evidence import Evidence
from sis_emulators.faults import Faults
from sis_emulators.office.tables import Office
from sis_emulators.rostering.collections import Collections, Item
from sis_emulators.rostering.dialect import Dialect
from sis_emulators.rostering.query import BadQuery, Query, read, value_at
from sis_emulators.rostering.shapes import Body, Shapes
from sis_emulators.wire.answers import Json, base_url

# Says why a request may not read a collection, as status and code minor; None where it may.
Authorise = Callable[[Request, str], tuple[int, str] | None]
BODY_KEYS = {
    "schools": "orgs",
    "terms": "academicSessions",
    "gradingPeriods": "academicSessions",
    "students": "users",
    "teachers": "users",
}
SINGLE_KEYS = {
    "orgs": "org",
    "academicSessions": "academicSession",
    "courses": "course",
    "classes": "class",
    "users": "user",
    "enrollments": "enrollment",
    "demographics": "demographics",
}


class Revision:
    """The revision of the data as ClassLink names it; a fault moves it without a change."""

    def __init__(self) -> None:
        self.shift = 0

    def text(self, office: Office) -> str:
        """Stays while nothing changes."""
        return f"{office.district.uuid[:8]}-{office.version}-{self.shift}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """What one answer holds, and how many fit the query."""

    bodies: list[Body]
    total: int


class RosterService:
    """One base path in one dialect."""

    def __init__(
        self,
        *,
        base: str,
        office: Office,
        dialect: Dialect,
        faults: Faults,
        evidence: Evidence,
        authorise: Authorise,
    ) -> None:
        self._base = base
        self._office = office
        self._dialect = dialect
        self._faults = faults
        self._evidence = evidence
        self._authorise = authorise
        self._collections = Collections(office, dialect)
        self._revision = Revision()

    def routes(self) -> list[Route]:
        """A collection and its single records for every name."""
        found: list[Route] = []
        for name in self._collections.names():
            path = f"{self._base}/{name}"
            found.append(Route(path, self._listing(name), methods=["GET"]))
            found.append(Route(f"{path}/{{sourcedId}}", self._single(name), methods=["GET"]))
        return found

    def _listing(self, name: str) -> Callable[..., Any]:
        async def endpoint(request: Request) -> Response:
            """One page of the collection; 400 for a query that cannot be."""
            if (refused := self._authorise(request, name)) is not None:
                return problem(*refused)
            try:
                query = read(request.query_params, most=self._dialect.most)
                page = self._page(request, name, query)
            except BadQuery as error:
                return problem(400, error.code, str(error))
            key = BODY_KEYS.get(name, name)
            headers = self._headers(request, query, page)
            self._evidence.page(len(page.bodies))
            return Json({key: page.bodies}, headers=headers)

        return endpoint

    def _single(self, name: str) -> Callable[..., Any]:
        async def endpoint(request: Request) -> Response:
            """One record by its id, tombstones too; 404 for none."""
            if (refused := self._authorise(request, name)) is not None:
                return problem(*refused)
            wanted = request.path_params["sourcedId"].strip()
            for item in self._collections.items(name):
                if item.sourced_id == wanted:
                    key = SINGLE_KEYS[BODY_KEYS.get(name, name)]
                    return Json({key: item.write(self._shapes(request))})
            return problem(404, "unknownobject")

        return endpoint

    def _shapes(self, request: Request) -> Shapes:
        return Shapes(self._office, self._dialect, base_url(request) + self._base)

    def _page(self, request: Request, name: str, query: Query) -> _Page:
        path = request.url.path
        if self._faults.strike("new_revision", path) is not None:
            self._revision.shift += 1
        if self._faults.strike("empty_success", path) is not None:
            return _Page(bodies=[], total=0)
        shapes = self._shapes(request)
        found = [item for item in self._collections.items(name) if _fits(item, query, shapes)]
        page = found[query.offset : query.offset + query.limit]
        if (short := self._faults.strike("short_page", path)) is not None:
            page = page[: max(0, len(page) - int(short.amount))]
        wrong = self._faults.strike("wrong_total", path)
        total = len(found) + (int(wrong.amount) if wrong is not None else 0)
        bodies = [_chosen(item.write(shapes), query.fields) for item in page]
        return _Page(bodies=bodies, total=total)

    def _headers(self, request: Request, query: Query, page: _Page) -> dict[str, str]:
        headers = {}
        if self._dialect.counts:
            headers["X-Total-Count"] = str(page.total)
            headers["Link"] = self._links(request, query, page.total)
        if self._dialect.revision_headers:
            headers["x-count"] = str(len(page.bodies))
            headers["x-perm-rev"] = self._revision.text(self._office)
        return headers

    def _links(self, request: Request, query: Query, total: int) -> str:
        last = max(0, (total - 1) // query.limit * query.limit)
        wanted = {"first": 0, "last": last}
        if query.offset + query.limit < total:
            wanted["next"] = query.offset + query.limit
        if query.offset > 0:
            wanted["prev"] = max(0, query.offset - query.limit)
        kept = [(name, value) for name, value in request.query_params.multi_items()
                if name not in ("limit", "offset")]  # fmt: skip
        address = base_url(request) + request.url.path
        return ", ".join(
            f"<{address}?{urlencode([*kept, ('limit', query.limit), ('offset', offset)])}>; "
            f'rel="{relation}"'
            for relation, offset in wanted.items()
        )


def problem(status: int, code: str, what: str = "") -> Response:
    """A refusal in OneRoster's own body."""
    body: dict[str, Any] = {
        "imsx_codeMajor": "failure",
        "imsx_severity": "error",
        "imsx_description": what or code,
        "imsx_CodeMinor": {
            "imsx_codeMinorField": [
                {"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": code}
            ]
        },
    }
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return Json(body, status_code=status, headers=headers)


def _fits(item: Item, query: Query, shapes: Shapes) -> bool:
    """Writes the body only where a clause asks for more than the stamp."""
    if not query.clauses:
        return True
    if all(clause.field == "dateLastModified" for clause in query.clauses):
        stamp = iso(item.modified)
        return query.fits(lambda _field: stamp)
    body = item.write(shapes)
    return query.fits(lambda field: value_at(body, field))


def _chosen(body: Body, fields: tuple[str, ...]) -> Body:
    if not fields:
        return body
    return {name: value for name, value in body.items() if name in fields}
