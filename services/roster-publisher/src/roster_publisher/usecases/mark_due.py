"""Mark people for whom time itself changes something: settle times that end, dates that come.

Takes no input; each turn looks at the clock. Runs twice harmlessly.
"""

from collections.abc import Callable
from datetime import date, datetime

from roster_publisher.ports import Clock
from roster_publisher.ports.states import DirtyQueue

Today = Callable[[str, datetime], date]


class MarkDue:
    """`today` gives the date in a district's zone; `new_id` makes correlation ids."""

    def __init__(
        self, queue: DirtyQueue, clock: Clock, *, today: Today, new_id: Callable[[], str]
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._today = today
        self._new_id = new_id

    async def left(self) -> None:
        """Mark people whose settle time is over."""
        await self._queue.mark_left_due(now=self._clock.now(), correlation_id=self._new_id())

    async def dates(self) -> None:
        """Mark people for whom a role or an enrolment begins or ends by today."""
        now = self._clock.now()
        for district_id in await self._queue.districts():
            await self._queue.mark_dates_due(
                district_id,
                today=self._today(district_id, now),
                now=now,
                correlation_id=self._new_id(),
            )
