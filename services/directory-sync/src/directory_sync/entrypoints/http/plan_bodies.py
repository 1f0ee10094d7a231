"""Bodies of the pages about plans: ids, counts and names of attributes, never a value."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from directory_sync.domain.guard import Wish
from directory_sync.domain.plans import SAMPLE, Plan, PlanItem, ShownPlan, counts_of
from directory_sync.entrypoints.http.bodies import Body


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
    """One plan. `limit` and `limitPercent` are the guard's; a first connection has none.

    `kind` is guard or first_connection; `guard` says what is kept from happening:
    accounts.disable, memberships.remove or first_connection. `population` counts accounts, or
    memberships. An action on a group names it: `remove_member:<group key>`.
    """

    plan_id: str
    district: str
    target: str
    kind: str
    guard: str
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


class ReconcileBody(Body):
    """The target that will be read whole."""

    district: str
    target: str


def plan_body(plan: Plan) -> PlanBody:
    """The body for a plan alone."""
    return PlanBody(**_plan(plan))


def sampled_body(shown: ShownPlan) -> SampledPlanBody:
    """The body for a plan in a list."""
    return SampledPlanBody(**_plan(shown.plan), sample=[_sample(item) for item in shown.items])


def items_body(shown: ShownPlan) -> PlanItemsBody:
    """The body for a plan with a page of its items."""
    return PlanItemsBody(**_plan(shown.plan), items=[_item(item) for item in shown.items])


def preview_body(district: str, target: str, wishes: Sequence[Wish]) -> PreviewBody:
    """The body for what would be done now."""
    return PreviewBody(
        district=district,
        target=target,
        counts=dict(counts_of(wish.action for wish in wishes)),
        count=len(wishes),
        sample=[_sample(wish) for wish in wishes[:SAMPLE]],
    )


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
        "kind": "first_connection" if plan.kind == "first_connection" else "guard",
        "guard": plan.guard,
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
