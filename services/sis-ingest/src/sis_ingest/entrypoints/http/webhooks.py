"""`POST /webhooks/{source}` and `…/{token}`: parse, call one use case, answer."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from roster_common.errors import Invalid, NotVerified
from roster_common.runtime.correlation import current_correlation_id
from roster_common.runtime.metrics import metric
from roster_common.runtime.problems import FieldError, Problem
from sis_ingest.domain.deliveries import Knock
from sis_ingest.entrypoints.http.bodies import read_body
from sis_ingest.ports.sources import Source, Sources
from sis_ingest.usecases.accept_delivery import AcceptDelivery

_UNKNOWN: Final = "unknown"


def webhook_routes(accept: AcceptDelivery, sources: Sources, *, limit_bytes: int) -> APIRouter:
    """The door for webhooks: signed ones, and those of systems that cannot sign."""
    router = APIRouter(tags=["webhooks"])

    async def answer(source: Source, token: str | None, request: Request) -> JSONResponse:
        """What both doors say: ids of the stored delivery, or the problem that its refusal is."""
        name = source.place.source_id
        body = await read_body(request, limit_bytes=limit_bytes)
        knock = Knock(headers=_headers(request), body=body, token=token)
        try:
            stored = await accept(source, knock, correlation_id=current_correlation_id())
        except NotVerified as error:
            _count(name, "unauthenticated")
            raise _not_verified(error) from None
        except Invalid as error:
            _count(name, "invalid")
            raise _invalid(error) from None
        _count(name, "accepted" if stored.fresh else "duplicate")
        return JSONResponse(
            {"deliveryId": stored.delivery_id, "correlationId": stored.correlation_id}, 202
        )

    @router.post(
        "/webhooks/{source}",
        status_code=202,
        summary="Signed changes of records (Standard Webhooks)",
    )
    async def take(source: str, request: Request) -> JSONResponse:
        """Ids of the delivery, durable on return, also of a repeated one; 401, 404, 413 or 422.

        Source: Standard Webhooks, verifying.
        """
        return await answer(_source(sources, source, by_token=False), None, request)

    @router.post(
        "/webhooks/{source}/{token}",
        status_code=202,
        summary="Changes of records from a system that cannot sign, at an unguessable path",
    )
    async def take_at_token(source: str, token: str, request: Request) -> JSONResponse:
        """As without a token. 404 for a source that signs, and 401 for a wrong token."""
        return await answer(_source(sources, source, by_token=True), token, request)

    return router


def _headers(request: Request) -> dict[str, str]:
    """By name; the first one counts where a name is repeated."""
    pairs = reversed(request.headers.raw)
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}


def _source(sources: Sources, source_id: str, *, by_token: bool) -> Source:
    found = sources.get(source_id)
    if found is None or found.webhook is None or found.webhook.by_token is not by_token:
        _count(_UNKNOWN, "refused")
        raise Problem(404, "unknown_source", "There is no such source here")
    return found


def _not_verified(error: NotVerified) -> Problem:
    return Problem(
        401,
        "not_verified",
        "The sender could not be proved",
        errors=[FieldError(field=error.field or "webhook-signature", message=error.reason)],
    )


def _invalid(error: Invalid) -> Problem:
    return Problem(
        422 if error.field else 400,
        "invalid_delivery",
        "The body is not what this source may send",
        errors=[FieldError(field=error.field or "body", message=error.reason)],
    )


def _count(source_id: str, outcome: str) -> None:
    metric("deliveries_total").labels(source=source_id, outcome=outcome).inc()
