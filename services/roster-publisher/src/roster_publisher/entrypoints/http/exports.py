"""Door of `GET /exports/oneroster.zip`: a vendor's roster as a CSV package. Source: ADR 0027."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from roster_common.runtime.problems import Problem
from roster_publisher.domain.csv_layout import Mode, Version
from roster_publisher.entrypoints.http.vendors import VendorDoor
from roster_publisher.usecases.export_package import ExportPackage, PackageRequest


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
        """All files the token's scopes open, of one revision, which `X-Roster-Revision` names.

        A delta has what was stamped at `since` or later, deletions too; 400 for a `since` without
        zone or beside bulk.
        """
        token = await vendor(authorization)
        if since is not None and (mode == "bulk" or since.tzinfo is None):
            raise Problem(400, "bad_since", "`since` has a zone and is for a delta")
        made = await export(
            PackageRequest(
                grant=token.grant,
                token_scopes=token.token_scopes,
                version=version,
                mode=mode,
                since=since,
            )
        )
        return StreamingResponse(
            made.chunks,
            media_type="application/zip",
            headers={
                "x-roster-revision": str(made.revision),
                "content-disposition": 'attachment; filename="oneroster.zip"',
            },
        )

    return router
