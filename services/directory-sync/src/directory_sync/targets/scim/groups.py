"""Speaks SCIM 2.0 about groups: lists them and applies actions. Decides nothing about members.

Members that the target holds besides ours are never sent, so they stay. Sources: RFC 7643 section
4.2 (Group), RFC 7644 section 3.5.2 (adding a member that is there, or removing one that is not,
changes nothing).
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from directory_sync.domain.group import GroupKey
from directory_sync.domain.membership import (
    ChangeGroup,
    CreateGroup,
    GroupChanged,
    GroupCreated,
    GroupMissing,
    GroupOrder,
    GroupOutcome,
    LookForGroup,
    ReadGroup,
    SeenGroup,
)
from directory_sync.domain.outcome import Missing, Rejected, Unavailable
from directory_sync.ports import Answer, Connection, Transport
from directory_sync.targets.scim import wire
from directory_sync.targets.scim.exchange import (
    OK,
    Exchange,
    ScimTargetAway,
    object_or_nothing,
    plain_refusal,
)
from roster_common.errors import Retriable
from roster_common.runtime.failpoints import failpoint

_GROUP_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
_CREATED: Final = 201
_PAGE: Final = 500
# Removing costs scim2-server 1 to 2 ms per member of the request and 50 members of the group.
_ADD_MOST: Final = 100
_REMOVE_MOST: Final = 50
_TIMEOUT_S: Final = 25.0


class ScimGroups:
    """The groups of one SCIM service provider."""

    def __init__(self, connection: Connection, transport: Transport) -> None:
        self._scim = Exchange(connection, transport)

    async def read_all(self) -> AsyncIterator[Sequence[SeenGroup]]:
        """Every group without its members, by index pages. Raises Retriable when cut or away."""
        start = 1
        while True:
            query = {
                "startIndex": str(start),
                "count": str(_PAGE),
                "attributes": "externalId,displayName",
            }
            answer = await self._scim.ask("GET", "/Groups", query=query, timeout_s=_TIMEOUT_S)
            if isinstance(answer, Unavailable) or answer.status not in OK:
                raise ScimTargetAway("list")
            total, groups = _read_list(answer.body, members=False)
            if not groups and start <= total:
                raise ScimTargetAway("list was cut")
            yield groups
            start += len(groups)
            if start > total:
                return

    async def apply(self, orders: Sequence[GroupOrder]) -> Sequence[GroupOutcome]:
        """One outcome per order; groups side by side, the requests of one group in a row."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._apply(order)) for order in orders]
        return [task.result() for task in tasks]

    async def _apply(self, order: GroupOrder) -> GroupOutcome:
        try:
            match order.action:
                case CreateGroup():
                    return await self._create(order.key, order.action)
                case LookForGroup():
                    return await self._look(order.key)
                case ReadGroup(group_id=group_id):
                    return await self._read(group_id)
                case ChangeGroup():
                    return await self._change(order.action)
        except Retriable:
            return Unavailable(code="unreadable_answer", retry_after_s=None, maybe_done=True)

    async def _change_there(
        self, method: str, path: str, *, body: Mapping[str, Any]
    ) -> Answer | Unavailable:
        failpoint("directory.groups.before_call")
        answer = await self._scim.change(method, path, body=body, timeout_s=_TIMEOUT_S)
        failpoint("directory.groups.after_call")
        return answer

    async def _create(self, key: GroupKey, action: CreateGroup) -> GroupOutcome:
        body = {
            "schemas": [_GROUP_SCHEMA],
            "externalId": key,
            "displayName": action.display_name,
            "members": _members(action.members),
        }
        answer = await self._change_there("POST", "/Groups", body=body)
        if isinstance(answer, Unavailable):
            return answer
        if answer.status != _CREATED:
            return _refusal(answer)
        return GroupCreated(group_id=_read_group(wire.read_object(answer.body)).group_id)

    async def _look(self, key: GroupKey) -> GroupOutcome:
        query = {"filter": wire.filter_equal("externalId", key)}
        answer = await self._scim.ask("GET", "/Groups", query=query, timeout_s=_TIMEOUT_S)
        if isinstance(answer, Unavailable):
            return answer
        if answer.status not in OK:
            return _refusal(answer)
        _, found = _read_list(answer.body, members=True)
        ours = [group for group in found if group.key == key]
        if len(ours) > 1:
            return Rejected(code="ambiguous_match")
        return ours[0] if ours else GroupMissing()

    async def _read(self, group_id: str) -> GroupOutcome:
        answer = await self._scim.ask("GET", _path(group_id), timeout_s=_TIMEOUT_S)
        if isinstance(answer, Unavailable):
            return answer
        if answer.status not in OK:
            return _refusal(answer)
        return _read_group(wire.read_object(answer.body))

    async def _change(self, action: ChangeGroup) -> GroupOutcome:
        for operations in _requests(action):
            answer = await self._change_there(
                "PATCH",
                _path(action.group_id),
                body={"schemas": [wire.PATCH_SCHEMA], "Operations": operations},
            )
            if isinstance(answer, Unavailable):
                return answer
            if answer.status not in OK:
                return _refusal(answer)
        return GroupChanged()


def _requests(action: ChangeGroup) -> Iterator[list[dict[str, Any]]]:
    """The operations of each request: the name, members to add, members to remove.

    One removal names one member, the form that every provider takes.
    """
    if action.rename is not None:
        yield [{"op": "replace", "path": "displayName", "value": action.rename}]
    add, remove = sorted(action.add), sorted(action.remove)
    for start in range(0, len(add), _ADD_MOST):
        chunk = add[start : start + _ADD_MOST]
        yield [{"op": "add", "path": "members", "value": _members(chunk)}]
    for start in range(0, len(remove), _REMOVE_MOST):
        chunk = remove[start : start + _REMOVE_MOST]
        yield [{"op": "remove", "path": f"members[{_equals(account)}]"} for account in chunk]


def _path(group_id: str) -> str:
    return f"/Groups/{quote(group_id, safe='')}"


def _equals(account_id: str) -> str:
    return wire.filter_equal("value", account_id)


def _members(account_ids: Sequence[str] | Mapping[str, object]) -> list[dict[str, str]]:
    return [{"value": account_id} for account_id in sorted(account_ids)]


def _refusal(answer: Answer) -> GroupOutcome:
    refused = plain_refusal(answer.status, object_or_nothing(answer))
    return GroupMissing() if isinstance(refused, Missing) else refused


def _read_group(resource: Mapping[str, Any], *, members: bool = True) -> SeenGroup:
    """A Group as the target shows it. Raises ScimUnreadable without id."""
    entries = resource.get("members")
    shown = entries if isinstance(entries, list) else []
    values = (entry.get("value") for entry in shown if isinstance(entry, dict))
    return SeenGroup(
        group_id=wire.read_id(resource),
        key=wire.read_text(resource.get("externalId")),
        display_name=wire.read_text(resource.get("displayName")) or "",
        members=frozenset(v for v in map(wire.read_text, values) if v) if members else None,
    )


def _read_list(body: bytes, *, members: bool) -> tuple[int, Sequence[SeenGroup]]:
    total, resources = wire.read_page(body)
    return total, [_read_group(resource, members=members) for resource in resources]
