"""Emit every state of a district again. Marks only; the deriver does the work and may repeat it."""

from dataclasses import dataclass

from roster_publisher.ports import Clock
from roster_publisher.ports.states import DirtyQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Republishing:
    """How many people and classes will be emitted again."""

    marked: int


class Republish:
    """For consumers that start anew, or after a correction."""

    def __init__(self, queue: DirtyQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock

    async def __call__(self, district_id: str, *, correlation_id: str) -> Republishing:
        """Mark all of the district; committed when this returns. May run twice."""
        marked = await self._queue.mark_all(
            district_id, correlation_id=correlation_id, now=self._clock.now()
        )
        return Republishing(marked=marked)
