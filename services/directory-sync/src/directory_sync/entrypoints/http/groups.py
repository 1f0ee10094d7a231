"""Operators' pages about groups: ids, counts and the groups' names. A viewer's token opens them."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from directory_sync.domain.group_view import GroupMember, GroupRow
from directory_sync.entrypoints.http.bodies import Body
from directory_sync.usecases.show_groups import ShowGroups
from roster_common.contracts.values import Text
from roster_common.runtime.problems import Problem
from roster_common.runtime.tokens import Operator

RequireViewer = Callable[..., Awaitable[Operator]]


class GroupBody(Body):
    """One group in one target; `groupId` is the target's own, `held` counts waiting removals.

    `kind` is class, students or staff; `state` is settled, waiting, held or failing; `at` is when
    our record of it last changed.
    """

    district: str
    target: str
    key: str
    kind: str
    group_id: str | None
    display_name: str
    state: str
    members: int
    held: int
    held_since: datetime | None
    waiting_since: datetime | None
    at: datetime
    correlation_id: str
    error_code: str | None


class GroupsBody(Body):
    """A part of the groups; `total` counts all."""

    total: int
    groups: list[GroupBody]


class MemberBody(Body):
    """A person whose account is in the group."""

    person_id: str
    account_id: str
    since: datetime


class GroupWithMembersBody(GroupBody):
    """One group with its members, by person id."""

    people: list[MemberBody]


class GroupEverywhereBody(Body):
    """One group in every target that has it."""

    key: str
    groups: list[GroupWithMembersBody]


def group_routes(show: ShowGroups, require_viewer: RequireViewer) -> APIRouter:
    """The router; it reads only."""
    router = APIRouter(tags=["groups"])
    viewer = Annotated[Operator, Depends(require_viewer)]

    @router.get("/groups")
    async def groups(
        operator: viewer,
        district: Annotated[Text | None, Query(max_length=255)] = None,
        target: Annotated[Text | None, Query(max_length=255)] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> GroupsBody:
        """Groups in the order of target and key, of one district or target if asked so.

        Only the token's districts; `total` counts all that match, times are UTC. Reads only.
        """
        page = await show.page(
            may_see=lambda one: operator.may_see(one) and district in (None, one),
            target=target,
            limit=limit,
            offset=offset,
        )
        return GroupsBody(total=page.total, groups=[GroupBody(**_shown(r)) for r in page.rows])

    @router.get("/groups/{key:path}")
    async def group(
        key: Annotated[Text, Path(min_length=1, max_length=300)],
        operator: viewer,
        target: Annotated[Text | None, Query(max_length=255)] = None,
    ) -> GroupEverywhereBody:
        """One group with its members by person id, in every target or in the one asked for.

        404 `group_not_known`, also for a district that the token may not see. Reads only.
        """
        found = await show.one(key, may_see=operator.may_see, target=target)
        if not found:
            raise Problem(404, "group_not_known", "No such group in a district you may see")
        return GroupEverywhereBody(
            key=key,
            groups=[GroupWithMembersBody(**_shown(r), people=_people(m)) for r, m in found],
        )

    return router


def _shown(row: GroupRow) -> dict[str, object]:
    return {
        "district": row.district_id,
        "target": row.target_id,
        "key": row.key,
        "kind": row.kind.value,
        "group_id": row.group_id,
        "display_name": row.display_name,
        "state": row.state,
        "members": row.members,
        "held": row.held,
        "held_since": row.held_since,
        "waiting_since": row.waiting_since,
        "at": row.changed_at,
        "correlation_id": row.correlation_id,
        "error_code": row.error_code,
    }


def _people(members: Sequence[GroupMember]) -> list[MemberBody]:
    return [
        MemberBody(person_id=m.person_id, account_id=m.account_id, since=m.since) for m in members
    ]
