"""Speaks SCIM 2.0: lists accounts and applies actions. Decides nothing about whom to change.

Touches one outside system, through the transport it is given. Every request is bounded in time.
Creates are at-least-once: a name in use is read, and if it is ours it was our own earlier create.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from directory_sync.domain.account import ActualAccount
from directory_sync.domain.ids import PersonId
from directory_sync.domain.outcome import (
    Applied,
    Missing,
    NameTaken,
    Order,
    Outcome,
    Rejected,
    Unavailable,
)
from directory_sync.domain.plan import Create, Disable, Enable, Look, Update
from directory_sync.ports import Answer, Connection, Page, Transport
from directory_sync.targets.scim import wire
from directory_sync.targets.scim.exchange import (
    OK,
    REQUEST_TIMEOUT_S,
    Exchange,
    ScimTargetAway,
    object_or_nothing,
    plain_refusal,
)
from roster_common.errors import Retriable
from roster_common.runtime.failpoints import failpoint

_BULK_TIMEOUT_S: Final = 25.0
_LIST_TIMEOUT_S: Final = 25.0
_PAGE: Final = 500
# Below this many actions single requests are quicker to answer than one bulk.
_BULK_FROM: Final = 16
_BULK_MOST: Final = 100
_CREATED: Final = 201
_CONFLICT: Final = 409
_STATUS_DIGITS: Final = 3


class ScimTarget:
    """One SCIM service provider. `connection.url` is its base, for example `…/v2`."""

    def __init__(self, connection: Connection, transport: Transport) -> None:
        self._scim = Exchange(connection, transport)
        self._bulk_most: int | None = None

    async def read_all(self) -> AsyncIterator[Page]:
        """Every account by index pages (RFC 7644 section 3.4.2.4).

        Raises Retriable when the target does not answer as SCIM says.
        """
        start = 1
        while True:
            query = {
                "startIndex": str(start),
                "count": str(_PAGE),
                "attributes": wire.READ_ATTRIBUTES,
            }
            answer = await self._scim.ask("GET", "/Users", query=query, timeout_s=_LIST_TIMEOUT_S)
            if isinstance(answer, Unavailable) or answer.status not in OK:
                raise ScimTargetAway("list")
            total, accounts = wire.read_list(answer.body)
            yield Page(accounts=accounts, total=total)
            start += len(accounts)
            if not accounts or start > total:
                return

    async def apply(self, orders: Sequence[Order]) -> Sequence[Outcome]:
        """One outcome per order. Many changes at once go as Bulk where the target offers it."""
        most = await self._bulk_limit() if len(orders) >= _BULK_FROM else 0
        if not most:
            return await self._one_by_one(orders)
        outcomes: dict[PersonId, Outcome] = {}
        singles = [order for order in orders if isinstance(order.action, Look)]
        changes = [order for order in orders if not isinstance(order.action, Look)]
        async with asyncio.TaskGroup() as group:
            chunks = [changes[i : i + most] for i in range(0, len(changes), most)]
            tasks = [group.create_task(self._bulk(chunk)) for chunk in chunks]
            single_task = group.create_task(self._one_by_one(singles))
        for chunk, task in zip(chunks, tasks, strict=True):
            outcomes |= zip((o.person_id for o in chunk), task.result(), strict=True)
        outcomes |= zip((o.person_id for o in singles), single_task.result(), strict=True)
        return [outcomes[order.person_id] for order in orders]

    async def _one_by_one(self, orders: Sequence[Order]) -> list[Outcome]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._single(order)) for order in orders]
        return [task.result() for task in tasks]

    async def _single(self, order: Order) -> Outcome:
        try:
            match order.action:
                case Look(account_id=str(account_id)):
                    return await self._read(account_id)
                case Look(username=username):
                    return await self._look(order.person_id, username)
                case Create():
                    return await self._create(order, order.action)
                case Update() | Disable() | Enable():
                    return await self._patch(order.action)
        except Retriable:
            return Unavailable(code="unreadable_answer", retry_after_s=None, maybe_done=True)

    async def _change_there(
        self, method: str, path: str, *, body: object, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> Answer | Unavailable:
        failpoint("directory.apply.before_call")
        answer = await self._scim.change(method, path, body=body, timeout_s=timeout_s)
        failpoint("directory.apply.after_call")
        return answer

    async def _create(self, order: Order, action: Create) -> Outcome:
        answer = await self._change_there("POST", "/Users", body=wire.new_user(action.desired))
        if isinstance(answer, Unavailable):
            return answer
        if answer.status == _CREATED:
            actual = wire.read_user(wire.read_object(answer.body))
            return Applied(actual=actual, linked=False)
        return await self._refusal(order, answer.status, object_or_nothing(answer))

    async def _patch(self, action: Update | Disable | Enable) -> Outcome:
        account_id = action.actual.account_id
        path = wire.user_path(account_id)
        answer = await self._change_there("PATCH", path, body=wire.patch(action))
        if isinstance(answer, Unavailable):
            return answer
        if answer.status in OK:
            return await self._confirmed(account_id, answer)
        if answer.status == _CONFLICT:
            return NameTaken()
        return plain_refusal(answer.status, object_or_nothing(answer))

    async def _confirmed(self, account_id: str, answer: Answer) -> Outcome:
        """The account as the target shows it after a change; many answer 204 without it."""
        if not answer.body:
            read = await self._read(account_id)
            return replace(read, linked=False) if isinstance(read, Applied) else read
        return Applied(actual=wire.read_user(wire.read_object(answer.body)), linked=False)

    async def _read(self, account_id: str) -> Outcome:
        query = {"attributes": wire.READ_ATTRIBUTES}
        answer = await self._scim.ask("GET", wire.user_path(account_id), query=query)
        if isinstance(answer, Unavailable):
            return answer
        if answer.status not in OK:
            return plain_refusal(answer.status, object_or_nothing(answer))
        return Applied(actual=wire.read_user(wire.read_object(answer.body)), linked=True)

    async def _look(self, person_id: PersonId, username: str) -> Outcome:
        """Whether an earlier create of ours was carried out: it carries our id."""
        found = await self._find("externalId", person_id)
        if isinstance(found, Rejected):
            # Not every target can search by externalId.
            found = await self._find("userName", username)
        if isinstance(found, Unavailable | Rejected):
            return found
        ours = [account for account in found if account.external_id == person_id]
        if len(ours) > 1:
            return Rejected(code="ambiguous_match")
        return Applied(actual=ours[0], linked=True) if ours else Missing()

    async def _find(
        self, attribute: str, value: str
    ) -> Sequence[ActualAccount] | Unavailable | Rejected:
        query = {
            "filter": wire.filter_equal(attribute, value),
            "attributes": wire.READ_ATTRIBUTES,
        }
        answer = await self._scim.ask("GET", "/Users", query=query)
        if isinstance(answer, Unavailable):
            return answer
        if answer.status not in OK:
            return Rejected(code=wire.error_code(answer.status, object_or_nothing(answer)))
        return wire.read_list(answer.body)[1]

    async def _refusal(self, order: Order, status: int, error: Mapping[str, Any]) -> Outcome:
        """What a refused change means; a name in use is looked at before it is believed."""
        if status != _CONFLICT:
            return plain_refusal(status, error)
        if not isinstance(order.action, Create):
            return NameTaken()
        found = await self._find("userName", order.action.desired.username)
        if isinstance(found, Unavailable | Rejected):
            return found
        ours = [account for account in found if account.external_id == order.person_id]
        return Applied(actual=ours[0], linked=True) if ours else NameTaken()

    async def _bulk(self, orders: Sequence[Order]) -> list[Outcome]:
        actions = [order.action for order in orders if not isinstance(order.action, Look)]
        answer = await self._change_there(
            "POST", "/Bulk", body=wire.bulk(actions), timeout_s=_BULK_TIMEOUT_S
        )
        if isinstance(answer, Unavailable):
            return [answer] * len(orders)
        if answer.status not in OK:
            # It offers Bulk and refuses it: from now on one request per change.
            self._bulk_most = 0
            return await self._one_by_one(orders)
        try:
            results = _by_bulk_id(answer)
        except Retriable:
            away = Unavailable(code="unreadable_answer", retry_after_s=None, maybe_done=True)
            return [away] * len(orders)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._bulk_outcome(order, results.get(str(place))))
                for place, order in enumerate(orders)
            ]
        return [task.result() for task in tasks]

    async def _bulk_outcome(self, order: Order, result: Mapping[str, Any] | None) -> Outcome:
        status = _status_of(result)
        if result is None or status is None or isinstance(order.action, Look):
            return Unavailable(code="bulk_no_result", retry_after_s=None, maybe_done=True)
        if status in OK:
            account_id = wire.id_in(result.get("location"))
            if not isinstance(order.action, Create):
                account_id = order.action.actual.account_id
            if account_id:
                return Applied(actual=wire.after(order.action, account_id), linked=False)
            return Unavailable(code="bulk_no_location", retry_after_s=None, maybe_done=True)
        error = result.get("response")
        try:
            return await self._refusal(order, status, error if isinstance(error, dict) else {})
        except Retriable:
            return Unavailable(code="unreadable_answer", retry_after_s=None, maybe_done=True)

    async def _bulk_limit(self) -> int:
        """Operations per bulk request, 0 when the target has none. Asked once (RFC 7643, 5)."""
        if self._bulk_most is None:
            answer = await self._scim.ask("GET", "/ServiceProviderConfig")
            if isinstance(answer, Unavailable) or answer.status not in OK:
                return 0
            bulk = object_or_nothing(answer).get("bulk")
            offered = bulk if isinstance(bulk, dict) and bulk.get("supported") is True else {}
            most = offered.get("maxOperations")
            self._bulk_most = max(0, min(_BULK_MOST, most)) if type(most) is int else 0
        return self._bulk_most


def _by_bulk_id(answer: Answer) -> Mapping[str, Mapping[str, Any]]:
    """Results by bulkId; a target that leaves it out (RFC 7644 asks it of POST only) by place."""
    operations = wire.read_object(answer.body).get("Operations")
    if not isinstance(operations, list):
        raise wire.ScimUnreadable("not a BulkResponse")
    return {
        str(operation.get("bulkId", place)): operation
        for place, operation in enumerate(operations)
        if isinstance(operation, dict)
    }


def _status_of(result: Mapping[str, Any] | None) -> int | None:
    """The status of one bulk operation: text in RFC 7644, an object in older servers."""
    status = None if result is None else result.get("status")
    text = str(status.get("code") if isinstance(status, dict) else status)
    return int(text) if len(text) == _STATUS_DIGITS and text.isascii() and text.isdigit() else None
