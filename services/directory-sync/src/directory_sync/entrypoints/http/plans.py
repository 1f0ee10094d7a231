"""`/plans`: what waits for a person in each target, for operators to look at and decide.

Ids, counts and names of attributes; no value of an account ever stands here.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Path, Query

from directory_sync.domain.plans import Plan
from directory_sync.entrypoints.http.plan_bodies import (
    Approval,
    PlanBody,
    PlanItemsBody,
    PlansBody,
    PreviewBody,
    ReconcileBody,
    Rejection,
    items_body,
    plan_body,
    preview_body,
    sampled_body,
)
from directory_sync.usecases.ask_reading import AskReading
from directory_sync.usecases.decide_plan import DecidePlan
from directory_sync.usecases.show_plans import ShowPlans
from roster_common.contracts.values import Text
from roster_common.holds import Refused
from roster_common.runtime.problems import Problem
from roster_common.runtime.tokens import Operator

Gate = Callable[..., Awaitable[Operator]]
PlanId = Annotated[Text, Path(min_length=1, max_length=100)]

_WHY: Final = {
    "hash_differs": "The plan changed since it was looked at",
    "ended": "The plan is decided already, or its time is over",
    "same_approver": "A second person must approve",
}


def plan_routes(show: ShowPlans, viewer: Gate) -> APIRouter:
    """The door for looking at plans; it reads only."""
    router = APIRouter(tags=["plans"])

    @router.get("/plans", summary="What waits for a person, and what became of it")
    async def page(
        operator: Annotated[Operator, Depends(viewer)],
        district: Annotated[Text | None, Query(max_length=255)] = None,
        target: Annotated[Text | None, Query(max_length=255)] = None,
        state: Literal["open", "approved", "rejected", "expired", "all"] = "open",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> PlansBody:
        """Plans of the token's districts, newest first, each with up to 20 items as `sample`.

        `total` counts all that match; times are UTC, percentages go from 0 to 100. Reads only.
        """
        total, plans = await show.page(
            may_see=lambda one: operator.may_see(one) and district in (None, one),
            target=target,
            state=None if state == "all" else state,
            limit=limit,
            offset=offset,
        )
        return PlansBody(total=total, plans=[sampled_body(shown) for shown in plans])

    @router.get("/plans/preview", summary="What would be done now; writes nothing")
    async def preview(
        operator: Annotated[Operator, Depends(viewer)],
        district: Annotated[Text, Query(max_length=255)],
        target: Annotated[Text, Query(max_length=255)],
    ) -> PreviewBody:
        """How many accounts would be created, updated, disabled, enabled and linked; 20 of them.

        Plans for every person of the district (seconds for a large one), not for groups; asks the
        target nothing. 404 `target_not_read`, also for a district that the token may not see.
        """
        wishes = await show.preview(district, target, may_see=operator.may_see)
        if wishes is None:
            raise Problem(404, "target_not_read", "No such target, or it was never read whole")
        return preview_body(district, target, wishes)

    @router.get("/plans/{plan_id}", summary="One plan with its items")
    async def one(
        plan_id: PlanId,
        operator: Annotated[Operator, Depends(viewer)],
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> PlanItemsBody:
        """The plan and a page of its items by person and action, without those that left it.

        `itemsHash` is the SHA-256 (hex) that an approval must give back; `limit` and `offset` count
        items. 404 `plan_not_known`, also for a district that the token may not see. Reads only.
        """
        shown = await show.one(plan_id, may_see=operator.may_see, limit=limit, offset=offset)
        if shown is None:
            raise _unknown()
        return items_body(shown)

    return router


def reconcile_routes(ask: AskReading, operator: Gate, *, ring: Callable[[], None]) -> APIRouter:
    """The door for asking for a full reading. `ring` wakes the reader, after the commit."""
    router = APIRouter(tags=["plans"])

    @router.post("/reconcile", status_code=202, summary="Read the whole target and compare, now")
    async def reconcile(
        who: Annotated[Operator, Depends(operator)],
        district: Annotated[Text, Query(max_length=255)],
        target: Annotated[Text, Query(max_length=255)],
    ) -> ReconcileBody:
        """Ask that the target be read whole, soon; answers 202 before it is.

        Commits the wish, which outlives a crash; asking twice before the reading is one reading.
        404 `target_not_known`, also for a district that the token may not see. What the reading
        came to stands in `GET /status`. Source: blueprint invariant 9.
        """
        if not await ask(district, target, may_see=who.may_see):
            raise Problem(404, "target_not_known", "No such target in a district you may see")
        ring()
        return ReconcileBody(district=district, target=target)

    return router


def decision_routes(
    show: ShowPlans, decide: DecidePlan, approver: Gate, *, ring: Callable[[], None]
) -> APIRouter:
    """The door for deciding. `ring` wakes who does what was approved; called after the commit."""
    router = APIRouter(tags=["plans"])

    @router.post("/plans/{plan_id}/approve", summary="Do what the hash names")
    async def approve(
        plan_id: PlanId, body: Approval, operator: Annotated[Operator, Depends(approver)]
    ) -> PlanBody:
        plan = await _found(plan_id, operator)
        decided = await decide.approve(plan, subject=operator.subject, items_hash=body.items_hash)
        ring()
        return _decided(decided)

    @router.post("/plans/{plan_id}/reject", summary="Do nothing of it")
    async def reject(
        plan_id: PlanId,
        operator: Annotated[Operator, Depends(approver)],
        body: Rejection | None = None,
    ) -> PlanBody:
        plan = await _found(plan_id, operator)
        reason = None if body is None else body.reason
        return _decided(await decide.reject(plan, subject=operator.subject, reason=reason))

    async def _found(plan_id: str, operator: Operator) -> Plan:
        plan = await show.find(plan_id, may_see=operator.may_see)
        if plan is None:
            raise _unknown()
        return plan

    return router


def _unknown() -> Problem:
    return Problem(404, "plan_not_known", "No such plan in a district you may see")


def _decided(decided: Plan | Refused) -> PlanBody:
    if isinstance(decided, Refused):
        raise Problem(409, decided.code, _WHY[decided.code])
    return plan_body(decided)
