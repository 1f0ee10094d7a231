"""Notice which districts have something new to tell, with one small read for all of them."""

from collections.abc import Set

from roster_publisher.ports import Clock
from roster_publisher.ports.feed import ChangeFeed


class WatchDistricts:
    """Keeps what it saw last; reads only."""

    def __init__(self, feed: ChangeFeed, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock
        self._seen: dict[str, tuple[int, bool]] = {}

    async def __call__(self, districts: Set[str]) -> Set[str]:
        """Those of `districts` in which there was a commit, or bulk has ended, since the last call;
        at first all that have ever published.
        """
        now = self._clock.now()
        news = set()
        for district_id, (revision, bulk_until) in (await self._feed.newest(districts)).items():
            seen = revision, bulk_until is not None and bulk_until <= now
            if self._seen.get(district_id) != seen:
                self._seen[district_id] = seen
                news.add(district_id)
        return news
