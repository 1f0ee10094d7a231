"""`/holds`: what a guard stopped, for operators to look at, approve and reject."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from roster_common.contracts.values import Text
from roster_common.holds import Refused
from roster_common.runtime.problems import Problem
from roster_common.runtime.tokens import Operator
from sis_ingest.domain.flips import Waiting
from sis_ingest.domain.guards import Hold
from sis_ingest.entrypoints.http.snapshots import Gate
from sis_ingest.ports.desks import HoldDesk
from sis_ingest.usecases.decide_hold import DecideHold

MAX_PAGE: Final = 500

_WHY: Final = {
    "hash_differs": "The hold changed since it was looked at",
    "ended": "The hold is decided already, or its time is over",
    "same_approver": "A second person must approve",
}


class Approval(BaseModel):
    """What an approver saw."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    itemsHash: str = Field(pattern=r"^[0-9a-f]{64}$")  # noqa: N815 - the wire's own name


class Rejection(BaseModel):
    """Why it is refused, as a stable word."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    reason: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,63}$")


def hold_routes(decide: DecideHold, desk: HoldDesk, *, viewer: Gate, approver: Gate) -> APIRouter:
    """The door for holds; a token sees those of its districts alone."""
    router = APIRouter(tags=["holds"])

    @router.get("/holds", summary="What waits for a person, and what became of it")
    async def page(
        who: Annotated[Operator, Depends(viewer)],
        district: Annotated[Text | None, Query(min_length=1)] = None,
        source: Annotated[Text | None, Query(min_length=1)] = None,
        state: Literal["open", "approved", "rejected", "expired", "all"] = "open",
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
        offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    ) -> JSONResponse:
        """A page of holds, newest first, and how many match in all; 404 outside the token."""
        if district is not None:
            who.ensure(district)
        total, holds = await desk.page(
            who.districts if district is None else [district],
            source,
            None if state == "all" else state,
            limit=limit,
            offset=offset,
        )
        pages = [hold_page(hold, await desk.flip(hold)) for hold in holds]
        return JSONResponse({"total": total, "holds": pages})

    @router.get("/holds/{hold_id}", summary="One hold")
    async def one(hold_id: str, who: Annotated[Operator, Depends(viewer)]) -> JSONResponse:
        hold = await _found(desk, hold_id, who)
        return JSONResponse(hold_page(hold, await desk.flip(hold)))

    @router.get("/holds/{hold_id}/items", summary="All that a hold keeps waiting, page by page")
    async def items(
        hold_id: str,
        who: Annotated[Operator, Depends(viewer)],
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
        offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    ) -> JSONResponse:
        """Our ids and what would be done; null for an outside id that may be an address.

        `itemsHash` names all of them: with another one than the hold's page the hold has changed.
        """
        hold = await _found(desk, hold_id, who)
        ids = await desk.items(hold, limit=limit, offset=offset)
        flip = await desk.flip(hold)
        found = [_item(one, hold) if flip is None else _difference(one) for one in ids]
        total = hold.count if flip is None else flip.total
        return JSONResponse({"itemsHash": hold.decision.items_hash, "total": total, "items": found})

    router.include_router(_decision_routes(decide, desk, approver))
    return router


def _decision_routes(decide: DecideHold, desk: HoldDesk, approver: Gate) -> APIRouter:
    """What a person may do about a hold."""
    router = APIRouter(tags=["holds"])

    @router.post("/holds/{hold_id}/approve", summary="Do what the hash names")
    async def approve(
        hold_id: str, body: Approval, who: Annotated[Operator, Depends(approver)]
    ) -> JSONResponse:
        hold = await _found(desk, hold_id, who)
        return _answer(await decide.approve(hold, subject=who.subject, items_hash=body.itemsHash))

    @router.post("/holds/{hold_id}/reject", summary="Do nothing of it")
    async def reject(
        hold_id: str,
        who: Annotated[Operator, Depends(approver)],
        body: Rejection | None = None,
    ) -> JSONResponse:
        hold = await _found(desk, hold_id, who)
        reason = None if body is None else body.reason
        return _answer(await decide.reject(hold, subject=who.subject, reason=reason))

    return router


async def _found(desk: HoldDesk, hold_id: str, who: Operator) -> Hold:
    hold = await desk.get(hold_id)
    if hold is None or not who.may_see(hold.place.district_id):
        raise Problem(404, "unknown_hold", "There is no such hold here")
    return hold


def _item(one: str | None, hold: Hold) -> Mapping[str, Any]:
    return {"id": one, "action": hold.operation}


def _difference(name: str | None) -> Mapping[str, Any]:
    action, entity, one = (name or "//").split("/", 2)
    return {"id": one, "action": action, "entity": entity}


def _flip_page(flip: Waiting) -> Mapping[str, Any]:
    order = flip.order
    return {
        "school": order.school_id or None,
        "from": flip.speaks_today,
        "to": flip.speaks_today if order.retells else order.source_id,
        "retells": order.retells,
        "counts": flip.counts,
        "total": flip.total,
    }


def hold_page(hold: Hold, flip: Waiting | None = None) -> Mapping[str, Any]:
    """A hold as JSON: ids and counts, never content. One of a `flip` says what it orders."""
    decision = hold.decision
    return {
        "holdId": hold.hold_id,
        "district": hold.place.district_id,
        "source": hold.place.source_id,
        "entity": hold.entity,
        "operation": hold.operation,
        "count": hold.count,
        "population": hold.population,
        "percent": hold.percent,
        "limit": hold.limit,
        "limitPercent": hold.limit_percent,
        "itemsHash": decision.items_hash,
        "state": decision.state,
        "approvals": list(decision.approvals),
        "approvalsNeeded": decision.approvals_needed,
        "createdAt": hold.created_at.isoformat(),
        "expiresAt": decision.expires_at.isoformat(),
        "endedAt": None if hold.done_at is None else hold.done_at.isoformat(),
        "reason": hold.reason,
        "released": hold.released,
        "runId": hold.run_id,
        "correlationId": hold.cause.correlation_id,
        "sample": list(hold.sample),
        "flip": None if flip is None else _flip_page(flip),
    }


def _answer(decided: Hold | Refused) -> JSONResponse:
    if isinstance(decided, Refused):
        raise Problem(409, decided.code, _WHY[decided.code])
    return JSONResponse(hold_page(decided))
