"""Background work: applies what the desks' door accepted, poked by it, with a slow look besides.

The poke spares waiting; the look makes sure that nothing waits for ever after a crash.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from roster_common.runtime.bell import Ear
from roster_common.runtime.lifecycle import Stopping
from ticket_events.ports import Desk
from ticket_events.usecases.apply_deliveries import MAX_DELIVERIES, ApplyDeliveries

_LOOK_EVERY_S: Final = 1.0


class DeliveryApplier:
    """The loop behind the webhook door."""

    def __init__(
        self,
        apply: ApplyDeliveries,
        desks: Mapping[str, Desk],
        desks_waiting: Callable[[], Awaitable[Sequence[str]]],
        ear: Ear,
    ) -> None:
        self._apply = apply
        self._desks = desks
        self._desks_waiting = desks_waiting
        self._ear = ear

    async def run(self, stopping: Stopping) -> None:
        """Apply until stopped."""
        while not stopping.is_set():
            for desk_id in await self._desks_waiting():
                # A desk that was taken out of the settings keeps its inbox until it is back.
                if (desk := self._desks.get(desk_id)) is not None:
                    await self._empty(desk, stopping)
            await self._ear.wait(_LOOK_EVERY_S)

    async def _empty(self, desk: Desk, stopping: Stopping) -> None:
        while not stopping.is_set():
            if len(await self._apply(desk)) < MAX_DELIVERIES:
                return
