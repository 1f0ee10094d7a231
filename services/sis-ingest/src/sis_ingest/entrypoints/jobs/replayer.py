"""Background work: carries replays out, one after another, poked by their door."""

from typing import Final

from roster_common.errors import Retriable
from roster_common.runtime.bell import Ear
from roster_common.runtime.lifecycle import Stopping, go_on_without
from sis_ingest.domain.replays import Replay
from sis_ingest.usecases.replay_deliveries import ReplayDeliveries

LOOP: Final = "replay"
_LOOK_EVERY_S: Final = 0.5


class Replayer:
    """The loop behind the door of replays. One that cannot go on ends, and keeps no other back."""

    def __init__(self, replay: ReplayDeliveries, ear: Ear) -> None:
        self._replay = replay
        self._ear = ear
        # Ids of those that could not go on yet, the latest last.
        self._failing: list[str] = []

    async def run(self, stopping: Stopping) -> None:
        """Say again until stopped; what was cut off is taken up at the next start."""
        while not stopping.is_set():
            found = await self._replay.next(self._failing)
            while found is not None and found.finished_at is None and not stopping.is_set():
                found = await self._step(found)
            if found is None:
                await self._ear.wait(_LOOK_EVERY_S)

    async def _step(self, replay: Replay) -> Replay:
        if replay.replay_id in self._failing:
            self._failing.remove(replay.replay_id)
        try:
            return await self._replay(replay)
        except (Retriable, OSError, TimeoutError):
            self._failing.append(replay.replay_id)
            raise
        except Exception as error:  # noqa: BLE001 - counted and logged; the replay ends as failed
            go_on_without(LOOP, error, district=replay.district_id, replay=replay.replay_id)
            return await self._replay.give_up(replay, reason="unexpected_error")
