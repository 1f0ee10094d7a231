"""Speaks SCIM 2.0 about groups: lists them and applies actions. Decides nothing about members.

Members that the target holds besides ours are never sent, so they stay. Sources: RFC 7643 section
4.2 (Group), RFC 7644 section 3.5.2 (adding a member that is there, or removing one that is not,
changes nothing).
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from directory_sync.domain.group import GroupKey, name_of
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
_CONFLICT: Final = 409
# A bad value, or something that is not there.
_REFUSALS: Final = frozenset({400, 404, 422})
_NO_TARGET: Final = Rejected(code="scim_noTarget")
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
                    return await self._change(order.key, order.action)
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
        name = action.display_name
        answer = await self._post(key, name, action.members)
        if _status(answer) == _CONFLICT:
            found = await self._look(key)
            if not isinstance(found, GroupMissing):
                return found
            # Another group has this name.
            name = _with_id(name, key)
            answer = await self._post(key, name, action.members)
        if _status(answer) in _REFUSALS and action.members:
            return await self._create_empty(key, name, sorted(action.members))
        return _created(answer)

    async def _create_empty(self, key: GroupKey, name: str, members: Sequence[str]) -> GroupOutcome:
        """A member may be what was refused: the group first, then who can be in it."""
        made = _created(await self._post(key, name, {}))
        if not isinstance(made, GroupCreated):
            return made
        refused = await self._move(made.group_id, members, adding=True)
        return replace(made, refused=refused) if isinstance(refused, frozenset) else refused

    async def _post(
        self, key: GroupKey, name: str, members: Mapping[str, object]
    ) -> Answer | Unavailable:
        body = {
            "schemas": [_GROUP_SCHEMA],
            "externalId": key,
            "displayName": name,
            "members": _members(members),
        }
        return await self._change_there("POST", "/Groups", body=body)

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

    async def _change(self, key: GroupKey, action: ChangeGroup) -> GroupOutcome:
        if action.rename is not None:
            refusal = await self._rename(key, action.group_id, action.rename)
            if refusal is not None:
                return refusal
        refused = frozenset[str]()
        for accounts, adding in _requests(action):
            stopped = await self._move(action.group_id, accounts, adding=adding)
            if not isinstance(stopped, frozenset):
                return stopped
            refused |= stopped
        return GroupChanged(refused=refused)

    async def _rename(self, key: GroupKey, group_id: str, name: str) -> GroupOutcome | None:
        answer = await self._patch(group_id, [_named(name)])
        if _status(answer) == _CONFLICT:
            answer = await self._patch(group_id, [_named(_with_id(name, key))])
        return _not_done(answer)

    async def _move(
        self, group_id: str, accounts: Sequence[str], *, adding: bool
    ) -> frozenset[str] | GroupOutcome:
        """Add or remove members; returns those that the target refuses, or why it ended.

        What is refused is tried again by halves, so that one account keeps no other back.
        """
        answer = await self._patch(group_id, _operations(accounts, adding=adding))
        refusal = _not_done(answer)
        if isinstance(refusal, GroupMissing):
            # The group, or one of the accounts?
            seen = await self._read(group_id)
            if not isinstance(seen, SeenGroup):
                return seen
        elif not isinstance(refusal, Rejected):
            return refusal or frozenset()
        if len(accounts) == 1:
            gone = not adding and refusal in (GroupMissing(), _NO_TARGET)
            return frozenset(() if gone else accounts)
        refused = frozenset[str]()
        middle = len(accounts) // 2
        for half in (accounts[:middle], accounts[middle:]):
            stopped = await self._move(group_id, half, adding=adding)
            if not isinstance(stopped, frozenset):
                return stopped
            refused |= stopped
        return refused

    async def _patch(
        self, group_id: str, operations: Sequence[Mapping[str, Any]]
    ) -> Answer | Unavailable:
        body = {"schemas": [wire.PATCH_SCHEMA], "Operations": operations}
        return await self._change_there("PATCH", _path(group_id), body=body)


def _requests(action: ChangeGroup) -> Iterator[tuple[Sequence[str], bool]]:
    """The members of each request: those to add (True), then those to remove."""
    for accounts, most, adding in (
        (sorted(action.add), _ADD_MOST, True),
        (sorted(action.remove), _REMOVE_MOST, False),
    ):
        for start in range(0, len(accounts), most):
            yield accounts[start : start + most], adding


def _operations(accounts: Sequence[str], *, adding: bool) -> list[dict[str, Any]]:
    """One removal names one member, the form that every provider takes."""
    if adding:
        return [{"op": "add", "path": "members", "value": _members(accounts)}]
    return [{"op": "remove", "path": f"members[{_equals(account)}]"} for account in accounts]


def _named(name: str) -> dict[str, Any]:
    return {"op": "replace", "path": "displayName", "value": name}


def _with_id(name: str, key: GroupKey) -> str:
    """The name where another group has it: with the roster's id, for example `Algebra [c1]`."""
    known = name_of(key)
    return f"{name} [{key if known is None else known.subject_id}]"


def _status(answer: Answer | Unavailable) -> int | None:
    return None if isinstance(answer, Unavailable) else answer.status


def _created(answer: Answer | Unavailable) -> GroupOutcome:
    if isinstance(answer, Unavailable) or answer.status != _CREATED:
        return answer if isinstance(answer, Unavailable) else _refusal(answer)
    return GroupCreated(group_id=_read_group(wire.read_object(answer.body)).group_id)


def _not_done(answer: Answer | Unavailable) -> GroupOutcome | None:
    if isinstance(answer, Unavailable):
        return answer
    return None if answer.status in OK else _refusal(answer)


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
