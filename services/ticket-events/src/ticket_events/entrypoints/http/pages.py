"""Operators' pages: device requests, and districts in numbers. A viewer's token opens them."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from roster_common.contracts.values import Text
from roster_common.runtime.tokens import Operator
from ticket_events.entrypoints.http.bodies import (
    DeviceRequestsBody,
    StatusBody,
    district_body,
    request_body,
)
from ticket_events.entrypoints.http.scope import districts_of
from ticket_events.ports import Views

RequireViewer = Callable[..., Awaitable[Operator]]
_LIMIT_MOST = 1_000


def routes(views: Views, require_viewer: RequireViewer) -> APIRouter:
    """The router; it reads only."""
    router = APIRouter(tags=["devices"])

    @router.get("/device-requests")
    async def device_requests(
        operator: Annotated[Operator, Depends(require_viewer)],
        person_id: Annotated[Text | None, Query(alias="personId", max_length=255)] = None,
        limit: Annotated[int, Query(ge=1, le=_LIMIT_MOST)] = 100,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> DeviceRequestsBody:
        """Requests of the districts that the token carries, newest first."""
        page = await views.requests(
            districts=districts_of(operator, None), person_id=person_id, limit=limit, offset=offset
        )
        return DeviceRequestsBody(
            total=page.total, device_requests=[request_body(one) for one in page.requests]
        )

    @router.get("/status")
    async def status(
        operator: Annotated[Operator, Depends(require_viewer)],
        district: Annotated[Text | None, Query(max_length=255)] = None,
    ) -> StatusBody:
        """Persons and requests per district that the token carries; of one if asked so."""
        counts = await views.counts(districts=districts_of(operator, district))
        return StatusBody(districts=[district_body(one) for one in counts])

    return router
