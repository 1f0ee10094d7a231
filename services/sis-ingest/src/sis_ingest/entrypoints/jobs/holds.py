"""Background work on holds: releases what was approved, ends what nobody decided in time."""

from collections.abc import Awaitable, Callable
from typing import Final

from roster_common.ports import Clock
from roster_common.runtime.bell import Ear
from roster_common.runtime.lifecycle import Stopping, go_on_without
from sis_ingest.domain.guards import Hold
from sis_ingest.entrypoints.jobs.resting import Resting
from sis_ingest.usecases.decide_hold import DecideHold
from sis_ingest.usecases.release_hold import ReleaseHold

LOOP: Final = "keep-holds"
_LOOK_EVERY_S: Final = 0.5


class HoldKeeper:
    """The loop behind the door of holds, poked by it, with a slow look besides.

    A hold that fails rests for a while, so that those behind it are not kept waiting.
    """

    def __init__(self, decide: DecideHold, release: ReleaseHold, ear: Ear, clock: Clock) -> None:
        self._decide = decide
        self._release = release
        self._ear = ear
        self._resting = Resting(clock)

    async def run(self, stopping: Stopping) -> None:
        """Release and expire until stopped."""
        while not stopping.is_set():
            while not stopping.is_set():
                hold = await self._release.next(resting=self._resting.names())
                if hold is None:
                    break
                await self._try(self._release, hold)
            for hold in await self._decide.due():
                if hold.hold_id not in self._resting.names():
                    await self._try(self._decide.expire, hold)
            await self._ear.wait(_LOOK_EVERY_S)

    async def _try(self, work: Callable[[Hold], Awaitable[object]], hold: Hold) -> None:
        try:
            await work(hold)
        except Exception as error:  # noqa: BLE001 - counted and logged; it is tried again
            go_on_without(LOOP, error, district=hold.place.district_id, hold=hold.hold_id)
            self._resting.begin(hold.hold_id)
