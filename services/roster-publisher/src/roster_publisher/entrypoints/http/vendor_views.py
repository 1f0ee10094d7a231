"""Doors for operators: what a vendor sees, and what it has pulled. Source: ADR 0029.

A page is made by the same application that answers the vendor, and holds what the vendor is given:
names of students. So it takes the role admin, and stands in the audit under the operator's name.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl, unquote, urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from roster_common.contracts.values import Text
from roster_common.runtime.problems import FieldError, Problem
from roster_common.runtime.tokens import Operator, Operators
from roster_publisher.domain.access import AccessToken, Grant
from roster_publisher.entrypoints.http.vendor_orders import ClientId, Moment
from roster_publisher.entrypoints.oneroster.app import OneRosterApp
from roster_publisher.entrypoints.oneroster.request import path_below
from roster_publisher.ports import Clock
from roster_publisher.ports.administering import VendorAdmin
from roster_publisher.ports.audit import AuditReads, KeptEntry, Spot
from roster_publisher.usecases.preview_vendor import PreviewVendor

District = Annotated[Text, Query(min_length=1, max_length=200)]
Version = Literal["1.2", "1.1"]

_SEES_NOTHING: Final = "The vendor sees nothing: its agreement has ended"
_MOST_ROWS: Final = 1_000
_OURS: Final = frozenset({"district", "version"})
# What the number of a line can be.
_MOST_LINES: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class PreviewAnswer(_Answer):
    """Rows of each collection at a revision; null where no token scope of the vendor opens it."""

    client: str
    district: str
    revision: int
    collections: dict[str, int | None]


class EntryAnswer(_Answer):
    """One line of the audit. `by` is the operator of a preview or a change; `ms` is how long it
    took, in milliseconds.
    """

    at: datetime
    door: str
    what: str
    detail: str
    status: int | None
    rows: int
    revision: int | None
    ms: int
    by: str | None


class AuditAnswer(_Answer):
    """Newest first; `next` is what to give as `before` for older ones."""

    client: str
    district: str
    entries: list[EntryAnswer]
    next: str | None


def preview_routes(
    operators: Operators,
    admin: VendorAdmin,
    preview: PreviewVendor,
    clock: Clock,
    *,
    faces: Mapping[Version, tuple[str, OneRosterApp]],
) -> APIRouter:
    """`GET /vendors/{client}/preview` (viewer) and `/preview/{path}` (admin).

    `faces` are the applications by version, with the path at which vendors find them.
    """
    router = APIRouter()
    viewer = operators.require("viewer")
    full = operators.require("admin")

    @router.get("/vendors/{client}/preview", summary="How much a vendor sees")
    async def show_counts(
        client: ClientId, district: District, operator: Annotated[Operator, Depends(viewer)]
    ) -> PreviewAnswer:
        """Counts as the vendor's own pages say them. 409 once the agreement has ended."""
        operator.ensure(district)
        grant = await _granted(admin, district, client)
        if not grant.is_in_force(clock.now()):
            raise Problem(409, "agreement_ended", _SEES_NOTHING)
        found = await preview(grant)
        return PreviewAnswer(
            client=client,
            district=district,
            revision=found.revision,
            collections=dict(found.rows),
        )

    @router.get(
        "/vendors/{client}/preview/{path:path}",
        summary="A read as the vendor gets it",
        response_model=None,
    )
    async def show_page(
        client: ClientId,
        district: District,
        request: Request,
        operator: Annotated[Operator, Depends(full)],
        version: Annotated[Version, Query()] = "1.2",
        limit: Annotated[int, Query(ge=1, le=_MOST_ROWS)] = 100,
    ) -> Response:
        """The vendor's answer with its status, headers and body; all other parameters are those of
        the vendor's read. It opens no pull of the vendor's and counts for no pace.
        """
        operator.ensure(district)
        grant = await _granted(admin, district, client)
        access = AccessToken(grant=grant, token_scopes=grant.token_scopes, expires_at=clock.now())
        at, face = faces[version]
        gathered = _Gathered()
        await face.answer_as(
            access, _read(request, client, at, limit), gathered, by=operator.subject
        )
        return gathered.answer()

    return router


def audit_routes(operators: Operators, audit: AuditReads) -> APIRouter:
    """`GET /vendors/{client}/audit` (viewer)."""
    router = APIRouter()
    viewer = operators.require("viewer")

    @router.get("/vendors/{client}/audit", summary="What a vendor has pulled")
    async def show_audit(
        client: ClientId,
        district: District,
        operator: Annotated[Operator, Depends(viewer)],
        since: Annotated[Moment | None, Query(alias="from")] = None,
        until: Annotated[Moment | None, Query(alias="to")] = None,
        before: Annotated[str | None, Query(max_length=60)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> AuditAnswer:
        """Also of a vendor that has ended. `from` <= at < `to`."""
        operator.ensure(district)
        found = await audit.entries(
            district, client, since=since, until=until, before=_spot(before), limit=limit
        )
        return AuditAnswer(
            client=client,
            district=district,
            entries=[_entry(one) for one in found],
            next=_next(found, limit),
        )

    return router


async def _granted(admin: VendorAdmin, district: str, client: str) -> Grant:
    found = await admin.find(district, client)
    if found is None:
        raise Problem(404, "vendor_unknown", "There is no such vendor in this district")
    return found.grant


class _Gathered:
    """An ASGI `send` that keeps one answer, which is small by its limit."""

    def __init__(self) -> None:
        self._status = 500
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """Take one message."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
        else:
            self._body += message["body"]

    def answer(self) -> Response:
        """The whole of it."""
        answer = Response(self._body, status_code=self._status)
        answer.raw_headers = self._headers
        return answer


def _read(request: Request, client: str, at: str, limit: int) -> dict[str, Any]:
    """The scope of the vendor's read that an operator's address names."""
    scope = request.scope
    path = f"{at}/{_path_behind(path_below(dict(scope)), client)}"
    try:
        asked = parse_qsl(scope["query_string"].decode(), keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError):
        asked = []
    kept = [(name, value) for name, value in asked if name not in {*_OURS, "limit"}]
    return {
        **scope,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "root_path": at,
        "query_string": urlencode([*kept, ("limit", str(limit))]).encode(),
    }


def _path_behind(raw: str, client: str) -> str:
    """What stands behind `/vendors/{client}/preview/` of a path as it was sent. Raises the 404
    problem for one that only reads so once it is decoded: an id may hold a slash too.
    """
    parts = raw.split("/", 4)
    if [unquote(one) for one in parts[:4]] != ["", "vendors", client, "preview"] or not parts[4:]:
        raise Problem(404, "not_found", "There is no such thing here")
    return parts[4]


def _entry(kept: KeptEntry) -> EntryAnswer:
    entry = kept.entry
    return EntryAnswer(
        at=entry.at,
        door=entry.door,
        what=entry.what,
        detail=entry.detail,
        status=entry.status,
        rows=entry.rows,
        revision=entry.revision,
        ms=entry.ms,
        by=entry.by,
    )


def _next(found: Sequence[KeptEntry], limit: int) -> str | None:
    if len(found) < limit:
        return None
    at, audit_id = found[-1].spot
    return f"{(at - _EPOCH) // _US}-{audit_id}"


def _spot(before: str | None) -> Spot | None:
    if before is None:
        return None
    moment, _, audit_id = before.partition("-")
    try:
        spot = _EPOCH + int(moment) * _US, int(audit_id)
    except (ValueError, OverflowError):
        spot = None
    if spot is None or not 0 <= spot[1] <= _MOST_LINES:
        raise Problem(
            422,
            "invalid_request",
            "The request does not have the required form",
            errors=[FieldError(field="before", message="bad_place", location="query")],
        )
    return spot
