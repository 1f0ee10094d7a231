"""Door of `GET /exports/oneroster.zip`: a vendor's roster as a CSV package. Source: ADR 0027."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Annotated, Final, assert_never

import structlog
from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from roster_common.runtime.problems import Problem
from roster_publisher.domain.csv_layout import Mode, Version
from roster_publisher.domain.fragments import stamp_text
from roster_publisher.entrypoints.http.vendors import VendorDoor
from roster_publisher.usecases.export_package import (
    ExportPackage,
    Package,
    PackageBroken,
    PackageRequest,
    StartAnew,
    files_of,
)
from roster_publisher.usecases.note_pulls import Noted

logger = structlog.get_logger(__name__)

NEXT_SINCE: Final = "x-next-since"
_WHY: Final = {
    "since_gone": "Deletions since then are no longer told",
    "view_changed": "What this client may see has changed since then",
}


def export_routes(vendor: VendorDoor, export: ExportPackage) -> APIRouter:
    """`GET /exports/oneroster.zip`."""
    router = APIRouter()

    @router.get("/exports/oneroster.zip", summary="The roster as a OneRoster CSV package")
    async def package(
        authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
        version: Annotated[Version, Query()] = "1.2",
        mode: Annotated[Mode, Query()] = "bulk",
        since: Annotated[datetime | None, Query()] = None,
    ) -> StreamingResponse:
        """All files that the token's scopes open, of one revision, which `X-Roster-Revision` names.

        A delta tells what changed behind `since`: `X-Next-Since` of the package before. 400 for a
        delta without it, a bulk package with it, or one without zone; 410 when only a bulk package
        can say what happened since. What cannot be told to its end is broken off: no zip then.
        """
        with ExitStack() as held:
            noted = held.enter_context(vendor.noting("export"))
            token = await vendor(authorization, noted)
            noted.what, noted.detail = "oneroster.zip", f"{version} {mode}"
            files = files_of(version, token.token_scopes)
            if not files:
                raise Problem(403, "scope_missing", "The token carries no scope that opens this")
            if (since is None) != (mode == "bulk") or not _is_moment(since):
                raise Problem(400, "bad_since", "A delta begins at `since`, a time with its zone")
            made = await export(
                PackageRequest(
                    grant=token.grant,
                    token_scopes=token.token_scopes,
                    version=version,
                    # Stamps are compared as texts too, which are in UTC.
                    since=None if since is None else since.astimezone(UTC),
                )
            )
            match made:
                case StartAnew(reason=reason):
                    raise Problem(410, reason, _WHY[reason], "Take a bulk package.")
                case Package():
                    noted.status, noted.revision = 200, made.revision
                    noted.entities = tuple(dict.fromkeys(f.collection.entity for f in files))
                    return _answer(made, noted, held.pop_all())
                case _:
                    assert_never(made)

    return router


def _is_moment(since: datetime | None) -> bool:
    """Whether it has a zone, and is in one of the years 1 to 9999 in UTC too."""
    if since is None:
        return True
    try:
        return since.tzinfo is not None and since.astimezone(UTC) == since
    except OverflowError:
        return False


def _answer(made: Package, noted: Noted, held: ExitStack) -> StreamingResponse:
    """`held` keeps the note open until the last byte."""
    return StreamingResponse(
        _sent(made, noted, held),
        media_type="application/zip",
        headers={
            "x-roster-revision": str(made.revision),
            NEXT_SINCE: stamp_text(made.next_since),
            "content-disposition": 'attachment; filename="oneroster.zip"',
        },
    )


async def _sent(made: Package, noted: Noted, held: ExitStack) -> AsyncIterator[bytes]:
    with held:
        try:
            async for chunk in made.chunks:
                noted.rows = made.tally.records
                yield chunk
        except PackageBroken as broken:
            client_id = noted.of.client_id if noted.of is not None else None
            noted.detail += " cut"
            logger.warning("package_broken_off", client=client_id, reason=broken.reason)
            raise  # the server then ends the connection in the middle of the answer
