"""`POST /webhooks/{desk}`: parse, call one use case, answer."""

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from roster_common.errors import Invalid, NotVerified
from roster_common.runtime.correlation import current_correlation_id
from roster_common.runtime.metrics import metric
from roster_common.runtime.problems import FieldError, Problem
from ticket_events.entrypoints.http.reading import read_body
from ticket_events.ports import Desk
from ticket_events.usecases.accept_delivery import AcceptDelivery

_UNKNOWN: Final = "unknown"


def webhook_routes(
    accept: AcceptDelivery, desks: Mapping[str, Desk], *, limit_bytes: int
) -> APIRouter:
    """The door for signed webhooks of desks."""
    router = APIRouter(tags=["webhooks"])

    @router.post(
        "/webhooks/{desk}",
        status_code=202,
        summary="A signed fact of one ticket (Standard Webhooks)",
    )
    async def take(desk: str, request: Request) -> JSONResponse:
        """Ids of the delivery, durable on return, also of a repeated one; 401, 404, 413 or 422."""
        found = desks.get(desk)
        if found is None:
            _count(_UNKNOWN, "refused")
            raise Problem(404, "unknown_desk", "There is no such desk here")
        body = await read_body(request, limit_bytes=limit_bytes)
        try:
            stored = await accept(
                found, request.headers, body, correlation_id=current_correlation_id()
            )
        except NotVerified as error:
            _count(desk, "unauthenticated")
            raise _problem(401, "not_verified", "The sender could not be proved", error) from None
        except Invalid as error:
            _count(desk, "invalid")
            title = "The body is not what this desk may send"
            status = 422 if error.field else 400
            raise _problem(status, "invalid_delivery", title, error) from None
        _count(desk, "accepted" if stored.fresh else "duplicate")
        return JSONResponse(
            {"deliveryId": stored.delivery_id, "correlationId": stored.correlation_id}, 202
        )

    return router


def _problem(status: int, code: str, title: str, error: Invalid) -> Problem:
    return Problem(
        status,
        code,
        title,
        errors=[FieldError(field=error.field or "body", message=error.reason)],
    )


def _count(desk_id: str, outcome: str) -> None:
    metric("deliveries_total").labels(source=desk_id, outcome=outcome).inc()
