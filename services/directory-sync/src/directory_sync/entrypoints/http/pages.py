"""Operators' pages: one person's accounts, and targets in numbers. A viewer's token opens them."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from directory_sync.entrypoints.http.bodies import (
    AccountsBody,
    StatusBody,
    account_body,
    target_body,
)
from directory_sync.usecases.show_accounts import ShowAccounts
from directory_sync.usecases.show_groups import ShowGroups
from roster_common.contracts.values import Text
from roster_common.runtime.problems import Problem
from roster_common.runtime.tokens import Operator

RequireViewer = Callable[..., Awaitable[Operator]]


def routes(show: ShowAccounts, show_groups: ShowGroups, require_viewer: RequireViewer) -> APIRouter:
    """The router; it reads only."""
    router = APIRouter(tags=["accounts"])

    @router.get("/accounts/{person_id}")
    async def accounts(
        person_id: Annotated[Text, Path(min_length=1, max_length=255)],
        operator: Annotated[Operator, Depends(require_viewer)],
    ) -> AccountsBody:
        """A person's account in every target, with the reason for it and what still waits."""
        shown = await show.of_person(person_id, may_see=operator.may_see)
        if not shown:
            raise Problem(404, "person_not_known", "No such person in a district you may see")
        return AccountsBody(person_id=person_id, accounts=[account_body(one) for one in shown])

    @router.get("/status")
    async def status(
        operator: Annotated[Operator, Depends(require_viewer)],
        district: Annotated[Text | None, Query(max_length=255)] = None,
    ) -> StatusBody:
        """Accounts by state and waiting work, per target; of one district if asked so."""

        def may_see(one: str) -> bool:
            return operator.may_see(one) and district in (None, one)

        counts = await show.counts(may_see=may_see)
        groups = await show_groups.counts(may_see=may_see)
        return StatusBody(
            targets=[
                target_body(one, groups.get((one.district_id, one.target_id))) for one in counts
            ]
        )

    return router
