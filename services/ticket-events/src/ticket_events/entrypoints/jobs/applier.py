"""Background work: applies what the desks' door accepted, poked by it, with a slow look besides.

The poke spares waiting; the look makes sure that nothing waits for ever after a crash.
"""

from collections.abc import Iterable
from typing import Final

from roster_common.runtime.bell import Ear
from roster_common.runtime.lifecycle import Stopping
from ticket_events.ports import Desk
from ticket_events.usecases.apply_deliveries import MAX_DELIVERIES, ApplyDeliveries

_LOOK_EVERY_S: Final = 1.0


class DeliveryApplier:
    """The loop behind the webhook door."""

    def __init__(self, apply: ApplyDeliveries, desks: Iterable[Desk], ear: Ear) -> None:
        self._apply = apply
        self._desks = tuple(desks)
        self._ear = ear

    async def run(self, stopping: Stopping) -> None:
        """Apply until stopped."""
        while not stopping.is_set():
            for desk in self._desks:
                while not stopping.is_set() and len(await self._apply(desk)) == MAX_DELIVERIES:
                    pass
            await self._ear.wait(_LOOK_EVERY_S)
