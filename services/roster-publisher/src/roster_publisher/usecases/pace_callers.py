"""Keep each caller to a pace, in this process. With several replicas each has its own count."""

from collections import OrderedDict
from typing import Final

from roster_publisher.domain.pacing import Bucket, Pace
from roster_publisher.ports import Clock

_MOST_CALLERS: Final = 20_000


class PaceCallers:
    """One bucket per caller. The one that asked longest ago is forgotten first: it had waited."""

    def __init__(self, pace: Pace, clock: Clock) -> None:
        self._pace = pace
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, caller: str, pace: Pace | None = None) -> float:
        """Count one request of the caller; 0.0, or the seconds to wait before it may come again.

        `pace` is the caller's own, if it has one.
        """
        mine = pace or self._pace
        return self._bucket(caller, mine).take(mine, self._now_s())

    def wait_s(self, caller: str) -> float:
        """The seconds until the caller has one left; counts nothing."""
        bucket = self._buckets.get(caller)
        return 0.0 if bucket is None else bucket.missing(self._pace, self._now_s())

    def _bucket(self, caller: str, pace: Pace) -> Bucket:
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = Bucket(left=float(pace.burst), at_s=self._now_s())
            self._buckets[caller] = bucket
            if len(self._buckets) > _MOST_CALLERS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(caller)
        return bucket

    def _now_s(self) -> float:
        return self._clock.now().timestamp()
