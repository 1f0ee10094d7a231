"""Door of `GET /changes`: a vendor's change feed, page by page. Source: ADR 0025."""

from typing import Annotated, Final, assert_never

from fastapi import APIRouter, Header, Query, Request, Response

from roster_common.runtime.problems import Problem
from roster_publisher.domain.access import AgreementEnded
from roster_publisher.domain.change_feed import (
    DEFAULT_CHANGES,
    MOST_CHANGES,
    BadCursor,
    Cursor,
    decode,
    opened,
)
from roster_publisher.entrypoints.http.vendors import VendorDoor, agreement_ended
from roster_publisher.entrypoints.oneroster.errors import Fault
from roster_publisher.entrypoints.oneroster.request import base_address
from roster_publisher.usecases.read_changes import (
    Changes,
    ChangesRequest,
    CursorGone,
    ReadChanges,
)

_MAX_CURSOR: Final = 2_000
_START_ANEW: Final = (
    "Deletions behind this cursor are no longer told. Start anew without `after`, and drop what"
    " is not told on the way to the end."
)


def change_routes(
    vendor: VendorDoor, read: ReadChanges, *, public_url: str | None, reads_at: str
) -> APIRouter:
    """`GET /changes`; `reads_at` is the path of the OneRoster reads, where `href`s point."""
    router = APIRouter()

    @router.get("/changes", summary="What changed for a vendor, in one order")
    async def changes(
        request: Request,
        authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
        after: Annotated[str | None, Query(max_length=_MAX_CURSOR)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_CHANGES)] = DEFAULT_CHANGES,
    ) -> Response:
        """Changes behind the cursor `after`, all of the view without one; `next` is the cursor to
        go on with. 400 for a text that is no cursor, 410 when deletions behind it are no longer
        told; no change is ever left out.
        """
        with vendor.noting("changes") as noted:
            token = await vendor(authorization, noted)
            noted.what, noted.detail = "changes", f"limit={limit}{' after' if after else ''}"
            collections = opened(token.token_scopes)
            if not collections:
                raise Problem(403, "scope_missing", "The token carries no scope that opens this")
            wanted = ChangesRequest(
                grant=token.grant,
                token_scopes=token.token_scopes,
                after=_cursor(after),
                limit=limit,
                base=_base(request, public_url, reads_at),
            )
            try:
                found = await read(wanted)
            except AgreementEnded:
                raise agreement_ended() from None
            match found:
                case CursorGone():
                    raise Problem(410, "cursor_gone", "This cursor is too old", _START_ANEW)
                case Changes():
                    noted.status, noted.rows = 200, len(found.told)
                    noted.revision = found.revision
                    noted.entities = tuple(one.entity for one in collections)
                    return Response(
                        _body(found),
                        media_type="application/json",
                        headers={"x-roster-revision": str(found.revision)},
                    )
                case _:
                    assert_never(found)

    return router


def _cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        return decode(text)
    except BadCursor:
        raise Problem(400, "bad_cursor", "`after` is no cursor that was given out") from None


def _base(request: Request, public_url: str | None, reads_at: str) -> str:
    try:
        base = base_address(dict(request.scope), dict(request.scope["headers"]), public_url)
    except Fault:
        raise Problem(400, "bad_host", "The Host header names no host") from None
    return f"{base}{reads_at}"


def _body(found: Changes) -> bytes:
    more = b"true" if found.has_more else b"false"
    return b'{"changes":[%b],"next":"%b","hasMore":%b}' % (
        b",".join(one.text for one in found.told),
        found.next.encode(),
        more,
    )
