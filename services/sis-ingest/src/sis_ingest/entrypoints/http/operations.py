"""`POST /republish` and `GET /status`: what operators ask of the truth."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from roster_common.contracts.values import Text
from roster_common.runtime.correlation import current_correlation_id
from roster_common.runtime.tokens import Operator
from sis_ingest.entrypoints.http.snapshots import Gate
from sis_ingest.usecases.republish import Republish

Counts = Callable[[str], Awaitable[Mapping[str, Any]]]


def operation_routes(
    republish: Republish, counts: Counts, *, admin: Gate, viewer: Gate
) -> APIRouter:
    """Pages for operators; `counts` gives a district's figures."""
    router = APIRouter(tags=["operations"])

    @router.post("/republish", summary="Say every resolved record of a district again")
    async def say_again(
        district: Annotated[Text, Query(min_length=1)], who: Annotated[Operator, Depends(admin)]
    ) -> JSONResponse:
        """How many records were said again, committed; 404 outside the token. May run twice."""
        who.ensure(district)
        done = await republish(district, correlation_id=current_correlation_id())
        return JSONResponse(
            {
                "upserted": done.upserted,
                "deleted": done.deleted,
                "correlationId": current_correlation_id(),
            }
        )

    @router.get("/status", summary="What is known of a district, in counts")
    async def status(
        district: Annotated[Text, Query(min_length=1)], who: Annotated[Operator, Depends(viewer)]
    ) -> JSONResponse:
        who.ensure(district)
        return JSONResponse(dict(await counts(district)))

    return router
