"""Doors for operators: where each vendor's webhook stands, and telling it again."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from roster_common.contracts.values import Text
from roster_common.runtime.problems import Problem
from roster_common.runtime.tokens import Operator, Operators
from roster_publisher.domain.change_feed import BadCursor, decode
from roster_publisher.domain.webhooks import Standing, Subscription
from roster_publisher.ports.webhooks import Standings, Subscriptions

District = Annotated[Text, Query(min_length=1, max_length=200)]
_MAX_CURSOR: Final = 2_000


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class WebhookAnswer(_Answer):
    """Where one subscription stands. `cursor` is as `/changes` takes it, None for the beginning;
    `reason` is a code of what the last call met, and `failures` counts those in a row.
    """

    client: str
    state: str
    events: list[str] | None
    cursor: str | None
    failures: int
    reason: str | None
    failing_since: datetime | None
    next_call: datetime | None
    stopped_at: datetime | None
    delivered_at: datetime | None


class WebhooksAnswer(_Answer):
    """Every subscription of a district."""

    district: str
    webhooks: list[WebhookAnswer]


class ReplayOrder(_Answer):
    """`after` is a cursor; None is the beginning."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    after: str | None = Field(default=None, max_length=_MAX_CURSOR)


def webhook_routes(
    operators: Operators, subscriptions: Subscriptions, standings: Standings
) -> APIRouter:
    """`GET /webhooks` (viewer) and `POST /webhooks/{client}/replay` (admin)."""
    router = APIRouter()
    viewer = operators.require("viewer")
    admin = operators.require("admin")

    @router.get("/webhooks", summary="Where each vendor's webhook stands")
    async def show_webhooks(
        district: District, operator: Annotated[Operator, Depends(viewer)]
    ) -> WebhooksAnswer:
        """One entry per subscription; 404 outside the token."""
        operator.ensure(district)
        found = [
            _answer(one, await standings.of(one)) for one in subscriptions.of_district(district)
        ]
        return WebhooksAnswer(district=district, webhooks=found)

    @router.post(
        "/webhooks/{client}/replay", status_code=202, summary="Tell a vendor again, from a cursor"
    )
    async def replay(
        client: str,
        district: District,
        order: ReplayOrder,
        operator: Annotated[Operator, Depends(admin)],
    ) -> WebhookAnswer:
        """Go back, also for one that was stopped. Every call then has an id of its own, so that a
        receiver that keeps ids takes it again. May run twice.
        """
        operator.ensure(district)
        subscription = subscriptions.find(district, client)
        if subscription is None:
            raise Problem(404, "webhook_unknown", "This client has no webhook in this district")
        if order.after is not None:
            try:
                decode(order.after)
            except BadCursor:
                raise Problem(400, "bad_cursor", "`after` is no cursor") from None
        return _answer(subscription, await standings.replay(subscription, order.after))

    return router


def _answer(subscription: Subscription, standing: Standing) -> WebhookAnswer:
    failing = "failing" if standing.failures else "active"
    return WebhookAnswer(
        client=subscription.client_id,
        state="stopped" if standing.stopped_at is not None else failing,
        events=None if subscription.events is None else sorted(subscription.events),
        cursor=standing.cursor,
        failures=standing.failures,
        reason=standing.reason,
        failing_since=standing.failing_since,
        next_call=standing.not_before,
        stopped_at=standing.stopped_at,
        delivered_at=standing.delivered_at,
    )
