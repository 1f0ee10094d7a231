"""`POST /assets`, `GET /assets`, `GET /assets/{id}`: the inventory in, devices out."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse

from roster_common.contracts.values import Text
from roster_common.runtime.correlation import current_correlation_id
from roster_common.runtime.metrics import metric
from roster_common.runtime.problems import FieldError, Problem
from roster_common.runtime.tokens import Operator
from ticket_events.domain.device import DeviceStatus
from ticket_events.domain.ids import DistrictId
from ticket_events.domain.imports import FileReport
from ticket_events.domain.inventory import FileRefused, read_inventory
from ticket_events.entrypoints.http.reading import read_body
from ticket_events.entrypoints.http.scope import districts_of, ensure_known
from ticket_events.ports import DeviceViews
from ticket_events.usecases.import_devices import ImportDevices

Gate = Callable[..., Awaitable[Operator]]
MOST_ROWS_SHOWN: Final = 1_000
_Id = Annotated[Text | None, Query(max_length=255)]
_AssetId = Annotated[Text, Path(max_length=255)]


def asset_routes(
    take_file: ImportDevices, views: DeviceViews, *, operator: Gate, viewer: Gate, limit_bytes: int
) -> APIRouter:
    """The door for inventory files, and the pages of devices."""
    router = APIRouter(tags=["devices"])

    @router.post("/assets", summary="A device inventory (CSV)")
    async def take(
        request: Request,
        who: Annotated[Operator, Depends(operator)],
        district: Annotated[str, Query(min_length=1, max_length=100, pattern="^[A-Za-z0-9._-]+$")],
        *,
        dry_run: Annotated[bool, Query(alias="dryRun")] = False,
    ) -> JSONResponse:
        """The file's report, durable on return; 404 for a district, 413 too large, 422 unusable."""
        await ensure_known(who, district, views)
        body = await read_body(request, limit_bytes=limit_bytes)
        try:
            inventory = await asyncio.to_thread(read_inventory, body)
        except FileRefused as error:
            raise _refused(error) from None
        report = await take_file(
            DistrictId(district),
            inventory,
            correlation_id=current_correlation_id(),
            dry_run=dry_run,
        )
        if not dry_run:
            _count(report)
        return JSONResponse(report_page(report, correlation_id=current_correlation_id()))

    @router.get("/assets", summary="Devices, by asset tag")
    async def devices(
        who: Annotated[Operator, Depends(viewer)],
        district: _Id = None,
        holder: _Id = None,
        site: _Id = None,
        state: DeviceStatus | None = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> JSONResponse:
        """A page of devices of the token's districts, and how many match in all."""
        page = await views.devices(
            districts=districts_of(who, district),
            holder=holder,
            site=site,
            state=None if state is None else state.value,
            limit=limit,
            offset=offset,
        )
        return JSONResponse({"total": page.total, "assets": list(page.rows)})

    @router.get("/assets/{asset_id}", summary="One device with its history, oldest first")
    async def device(asset_id: _AssetId, who: Annotated[Operator, Depends(viewer)]) -> JSONResponse:
        found = await views.device(asset_id, districts=districts_of(who, None))
        if found is None:
            raise Problem(404, "unknown_asset", "There is no such device here")
        return JSONResponse(dict(found))

    return router


def report_page(report: FileReport, *, correlation_id: str) -> Mapping[str, Any]:
    """A file's report as JSON: counts, rows, columns and codes; never a value of a cell."""
    reasons = Counter((refusal.code, refusal.column) for refusal in report.refusals)
    first: dict[tuple[str, str | None], int] = {}
    for refusal in report.refusals:
        first.setdefault((refusal.code, refusal.column), refusal.row)
    return {
        "correlationId": correlation_id,
        "dryRun": report.dry_run,
        "read": report.read,
        "new": report.new,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "refused": len(report.refusals),
        "unknownHolders": report.unknown_holders,
        "refusedByReason": [
            {"code": code, "column": column, "count": count, "firstRow": first[code, column]}
            for (code, column), count in sorted(reasons.items(), key=lambda item: first[item[0]])
        ],
        "refusals": [
            {"row": refusal.row, "column": refusal.column, "code": refusal.code}
            for refusal in report.refusals[:MOST_ROWS_SHOWN]
        ],
        "warnings": [
            {"code": "unknown_column", "column": place} for place in report.unknown_columns
        ],
    }


def _refused(error: FileRefused) -> Problem:
    return Problem(
        422,
        "invalid_inventory",
        "The file cannot be taken",
        errors=[FieldError(field=field, message=code) for field, code in error.faults],
    )


def _count(report: FileReport) -> None:
    counted = {
        "read": report.read,
        "changed": report.new + report.changed,
        "unchanged": report.unchanged,
        "refused": len(report.refusals),
    }
    for outcome, count in counted.items():
        metric("run_records_total").labels(entity="device", outcome=outcome).inc(count)
