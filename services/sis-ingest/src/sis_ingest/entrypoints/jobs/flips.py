"""Background work on flips: begins what was approved, and tells again what differs."""

from typing import Final

from roster_common.ports import Clock
from roster_common.runtime.bell import Ear
from roster_common.runtime.lifecycle import Stopping, go_on_without
from sis_ingest.entrypoints.jobs.resting import Resting
from sis_ingest.usecases.settle_flip import SettleFlip

LOOP: Final = "settle-flips"
_LOOK_EVERY_S: Final = 0.5


class FlipSettler:
    """The loop behind the door of authority, poked by it, with a slow look besides.

    A flip that fails rests for a while, so that those of other districts are not kept waiting.
    """

    def __init__(self, settle: SettleFlip, ear: Ear, clock: Clock) -> None:
        self._settle = settle
        self._ear = ear
        self._resting = Resting(clock)

    async def run(self, stopping: Stopping) -> None:
        """Settle until stopped; a flip cut off goes on after its last page at the next start."""
        while not stopping.is_set():
            flip = await self._settle.next(resting=self._resting.names())
            if flip is None:
                await self._ear.wait(_LOOK_EVERY_S)
                continue
            try:
                await self._settle(flip)
            except Exception as error:  # noqa: BLE001 - counted and logged; it is tried again
                go_on_without(LOOP, error, district=flip.order.district_id, flip=flip.flip_id)
                self._resting.begin(flip.flip_id)
