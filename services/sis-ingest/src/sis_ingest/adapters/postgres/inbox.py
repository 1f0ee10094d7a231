"""The inbox's door side: deliveries that arrive together are kept by one commit.

A commit waits for the disk; what arrives meanwhile shares the next one. Each caller gets its
answer after the commit that holds its delivery, never before.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from roster_common.errors import Retriable
from sis_ingest.domain.deliveries import Delivery
from sis_ingest.ports.stores import StoredDelivery
from sis_ingest.ports.units import Units

# Bounds one transaction: bodies of a megabyte may stand in each.
_MOST: Final = 100


class NotKept(Retriable):
    """The store is away, or this process stops; nothing was promised."""


class GroupedInbox:
    """`ports.Inbox`. One commit at a time, in the order of arrival."""

    def __init__(self, units: Units) -> None:
        self._units = units
        self._waiting: list[tuple[Delivery, asyncio.Future[StoredDelivery]]] = []
        self._task: asyncio.Task[None] | None = None

    async def keep(self, delivery: Delivery) -> StoredDelivery:
        """See the port."""
        kept: asyncio.Future[StoredDelivery] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, kept))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._empty())
        return await kept

    async def _empty(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            await self._keep([delivery for delivery, _ in group], [kept for _, kept in group])

    async def _keep(
        self,
        deliveries: Sequence[Delivery],
        answers: Sequence["asyncio.Future[StoredDelivery]"],
    ) -> None:
        try:
            async with self._units.begin("accept") as unit:
                stored = await unit.deliveries.put(deliveries)
        except Exception as error:  # noqa: BLE001 - told to every caller, which can act on it
            _refuse(answers, error)
        except BaseException:
            _refuse(answers, NotKept("stopping"))
            raise
        else:
            for answer, one in zip(answers, stored, strict=True):
                if not answer.done():
                    answer.set_result(one)


def _refuse(answers: Sequence["asyncio.Future[StoredDelivery]"], error: Exception) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)
