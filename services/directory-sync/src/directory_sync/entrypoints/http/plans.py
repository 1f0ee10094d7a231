"""`/plans`: what waits for a person in each target, for operators to look at and decide.

Ids, counts and names of attributes; no value of an account ever stands here.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import ConfigDict, Field

from directory_sync.domain.guard import Wish
from directory_sync.domain.plans import SAMPLE, Plan, PlanItem, ShownPlan, counts_of
from directory_sync.entrypoints.http.bodies import Body
from directory_sync.usecases.decide_plan import DecidePlan
from directory_sync.usecases.show_plans import ShowPlans
from roster_common.holds import Refused
from roster_common.runtime.problems import Problem
from roster_common.runtime.tokens import Operator

Gate = Callable[..., Awaitable[Operator]]
PlanId = Annotated[str, Path(min_length=1, max_length=100)]

_WHY: Final = {
    "hash_differs": "The plan changed since it was looked at",
    "ended": "The plan is decided already, or its time is over",
    "same_approver": "A second person must approve",
}


class Approval(Body):
    """What an approver saw."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    items_hash: str = Field(pattern=r"^[0-9a-f]{64}$")


class Rejection(Body):
    """Why it is refused, as a stable word."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    reason: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,63}$")


class SampleBody(Body):
    """One item, in short."""

    person_id: str
    action: str
    reason: str


class ItemBody(SampleBody):
    """One item: the names of what would change, and where it stands."""

    attributes: list[str]
    state: str


class PlanBody(Body):
    """One plan. `limit` and `limitPercent` are the guard's; a first connection has none."""

    plan_id: str
    district: str
    target: str
    kind: str
    counts: dict[str, int]
    count: int
    population: int
    percent: float
    limit: int | None
    limit_percent: float | None
    items_hash: str
    state: str
    approvals: list[str]
    approvals_needed: int
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    reason: str | None
    correlation_id: str


class SampledPlanBody(PlanBody):
    """A plan with its first items."""

    sample: list[SampleBody]


class PlansBody(Body):
    """A part of the plans, newest first; `total` counts all."""

    total: int
    plans: list[SampledPlanBody]


class PlanItemsBody(PlanBody):
    """A plan with a page of its items, by person and action."""

    items: list[ItemBody]


class PreviewBody(Body):
    """What would be done now; nothing is written."""

    district: str
    target: str
    counts: dict[str, int]
    count: int
    sample: list[SampleBody]


def plan_routes(
    show: ShowPlans, decide: DecidePlan, *, viewer: Gate, approver: Gate, ring: Callable[[], None]
) -> APIRouter:
    """The door for plans. `ring` wakes who does what was approved; called after the commit."""
    router = APIRouter(tags=["plans"])

    @router.get("/plans", summary="What waits for a person, and what became of it")
    async def page(
        operator: Annotated[Operator, Depends(viewer)],
        district: Annotated[str | None, Query(max_length=255)] = None,
        target: Annotated[str | None, Query(max_length=255)] = None,
        state: Literal["open", "approved", "rejected", "expired", "all"] = "open",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> PlansBody:
        total, plans = await show.page(
            may_see=lambda one: operator.may_see(one) and district in (None, one),
            target=target,
            state=None if state == "all" else state,
            limit=limit,
            offset=offset,
        )
        return PlansBody(total=total, plans=[_sampled(shown) for shown in plans])

    @router.get("/plans/preview", summary="What would be done now; writes nothing")
    async def preview(
        operator: Annotated[Operator, Depends(viewer)],
        district: Annotated[str, Query(max_length=255)],
        target: Annotated[str, Query(max_length=255)],
    ) -> PreviewBody:
        wishes = await show.preview(district, target, may_see=operator.may_see)
        if wishes is None:
            raise Problem(404, "target_not_read", "No such target, or it was never read whole")
        return PreviewBody(
            district=district,
            target=target,
            counts=dict(counts_of(wish.action for wish in wishes)),
            count=len(wishes),
            sample=[_sample(wish) for wish in wishes[:SAMPLE]],
        )

    @router.get("/plans/{plan_id}", summary="One plan with its items")
    async def one(
        plan_id: PlanId,
        operator: Annotated[Operator, Depends(viewer)],
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> PlanItemsBody:
        shown = await show.one(plan_id, may_see=operator.may_see, limit=limit, offset=offset)
        if shown is None:
            raise _unknown()
        return PlanItemsBody(**_plan(shown.plan), items=[_item(item) for item in shown.items])

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
    return PlanBody(**_plan(decided))


def _sampled(shown: ShownPlan) -> SampledPlanBody:
    return SampledPlanBody(**_plan(shown.plan), sample=[_sample(i) for i in shown.items])


def _sample(item: PlanItem | Wish) -> SampleBody:
    return SampleBody(person_id=item.person_id, action=item.action, reason=item.reason)


def _item(item: PlanItem) -> ItemBody:
    return ItemBody(
        person_id=item.person_id,
        action=item.action,
        reason=item.reason,
        attributes=list(item.attributes),
        state=item.state.value,
    )


def _plan(plan: Plan) -> dict[str, Any]:
    decision = plan.decision
    return {
        "plan_id": plan.plan_id,
        "district": plan.district_id,
        "target": plan.target_id,
        "kind": plan.kind,
        "counts": dict(plan.counts),
        "count": plan.count,
        "population": plan.population,
        "percent": plan.percent,
        "limit": plan.limit,
        "limit_percent": None if plan.limit_share is None else 100 * plan.limit_share,
        "items_hash": decision.items_hash,
        "state": decision.state,
        "approvals": list(decision.approvals),
        "approvals_needed": decision.approvals_needed,
        "created_at": plan.created_at,
        "expires_at": decision.expires_at,
        "ended_at": plan.ended_at,
        "reason": plan.reason,
        "correlation_id": plan.correlation_id,
    }
