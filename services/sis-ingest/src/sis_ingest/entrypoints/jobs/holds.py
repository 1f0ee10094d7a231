"""Background work on holds: releases what was approved, ends what nobody decided in time."""

from typing import Final

from roster_common.runtime.bell import Ear
from roster_common.runtime.lifecycle import Stopping
from sis_ingest.usecases.decide_hold import DecideHold
from sis_ingest.usecases.release_hold import ReleaseHold

_LOOK_EVERY_S: Final = 0.5


class HoldKeeper:
    """The loop behind the door of holds, poked by it, with a slow look besides."""

    def __init__(self, decide: DecideHold, release: ReleaseHold, ear: Ear) -> None:
        self._decide = decide
        self._release = release
        self._ear = ear

    async def run(self, stopping: Stopping) -> None:
        """Release and expire until stopped."""
        while not stopping.is_set():
            while not stopping.is_set() and await self._release():
                pass
            await self._decide.expire_due()
            await self._ear.wait(_LOOK_EVERY_S)
