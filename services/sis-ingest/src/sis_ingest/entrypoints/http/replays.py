"""`POST /replay` and `GET /replay/{id}`: deliveries said again, and what became of them."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from roster_common.contracts.values import Text
from roster_common.errors import Invalid
from roster_common.runtime.correlation import current_correlation_id
from roster_common.runtime.problems import FieldError, Problem
from roster_common.runtime.tokens import Operator
from sis_ingest.domain.replays import Replay, Selection
from sis_ingest.entrypoints.http.snapshots import Gate
from sis_ingest.ports.desks import ReplayDesk
from sis_ingest.ports.sources import Sources
from sis_ingest.usecases.ask_replay import AskReplay, UnknownDelivery

MAX_IDS: Final = 1_000


class ReplayRequest(BaseModel):
    """Which deliveries: by id, or of one source by when they came, after `from` up to `to`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    district: Text
    deliveryIds: tuple[Text, ...] = Field(default=(), max_length=MAX_IDS)  # noqa: N815 - wire
    source: Text | None = None
    after: AwareDatetime | None = Field(default=None, alias="from")
    until: AwareDatetime | None = Field(default=None, alias="to")
    asOf: Literal["now"] | None = None  # noqa: N815 - the wire's own name
    dryRun: bool = False  # noqa: N815 - the wire's own name

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        span = (self.source, self.after, self.until)
        if bool(self.deliveryIds) == all(part is not None for part in span) or (
            self.deliveryIds and any(part is not None for part in span)
        ):
            raise ValueError("either deliveryIds, or source with from and to")
        return self


def replay_routes(
    ask: AskReplay,
    desk: ReplayDesk,
    sources: Sources,
    *,
    operator: Gate,
    viewer: Gate,
) -> APIRouter:
    """The door of replays."""
    router = APIRouter(tags=["replays"])

    @router.post("/replay", status_code=202, summary="Say deliveries again, in their order")
    async def begin(
        body: ReplayRequest, who: Annotated[Operator, Depends(operator)]
    ) -> JSONResponse:
        """Ids of the waiting replay, durable on return; 404 for a district, source or delivery."""
        who.ensure(body.district)
        _ensure_source(sources, body)
        try:
            replay = await ask(
                body.district,
                Selection(
                    delivery_ids=body.deliveryIds,
                    source_id=body.source,
                    after=body.after,
                    until=body.until,
                ),
                as_of_now=body.asOf is not None,
                dry_run=body.dryRun,
                requested_by=who.subject,
                correlation_id=current_correlation_id(),
            )
        except UnknownDelivery:
            raise Problem(404, "unknown_delivery", "There is no such delivery here") from None
        except Invalid as error:
            raise Problem(
                422,
                "invalid_replay",
                "This cannot be said again so",
                errors=[FieldError(field=error.field or "body", message=error.reason)],
            ) from None
        return JSONResponse(
            replay_page(replay), 202, headers={"Location": f"/replay/{replay.replay_id}"}
        )

    @router.get("/replay/{replay_id}", summary="How far a replay is, and what it found")
    async def one(replay_id: str, who: Annotated[Operator, Depends(viewer)]) -> JSONResponse:
        replay = await desk.get(replay_id)
        if replay is None or not who.may_see(replay.district_id):
            raise Problem(404, "unknown_replay", "There is no such replay here")
        return JSONResponse(replay_page(replay))

    return router


def replay_page(replay: Replay) -> Mapping[str, Any]:
    """A replay as JSON: counts of deliveries and reasons, never content."""
    return {
        "replayId": replay.replay_id,
        "district": replay.district_id,
        "correlationId": replay.correlation_id,
        "requestedBy": replay.requested_by,
        "state": replay.state,
        "dryRun": replay.dry_run,
        "asOf": None if replay.as_of is None else replay.as_of.isoformat(),
        "askedAt": replay.asked_at.isoformat(),
        "startedAt": None if replay.started_at is None else replay.started_at.isoformat(),
        "finishedAt": None if replay.finished_at is None else replay.finished_at.isoformat(),
        "reason": replay.reason,
        "total": replay.total,
        "read": replay.done,
        **replay.counts(),
        "refusals": dict(replay.refusals()),
    }


def _ensure_source(sources: Sources, body: ReplayRequest) -> None:
    """404 where a source is another district's; one configured no more still has deliveries."""
    found = None if body.source is None else sources.get(body.source)
    if found is not None and found.place.district_id != body.district:
        raise Problem(404, "unknown_source", "There is no such source here")
