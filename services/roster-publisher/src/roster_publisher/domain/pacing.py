"""How fast a vendor may ask: a bucket of requests that fills again. Pure."""

import math
from dataclasses import dataclass
from typing import Final

# Requests a second. Below the least, the seconds to wait would no longer be a number to tell.
LEAST_RATE: Final = 0.001
MOST_RATE: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`rate` requests a second in the long run, from `LEAST_RATE`, and up to `burst` at once."""

    rate: float
    burst: int


@dataclass(slots=True, kw_only=True)
class Bucket:
    """Requests that one caller still has, as of `at_s`."""

    left: float
    at_s: float

    def take(self, pace: Pace, now_s: float) -> float:
        """Take one; 0.0 when there was one, else the seconds until there is. Not taken then."""
        self._fill(pace, now_s)
        if self.left >= 1:
            self.left -= 1
            return 0.0
        return (1 - self.left) / pace.rate

    def missing(self, pace: Pace, now_s: float) -> float:
        """The seconds until there is one, without taking it; 0.0 if there is."""
        self._fill(pace, now_s)
        return max(0.0, (1 - self.left) / pace.rate)

    def _fill(self, pace: Pace, now_s: float) -> None:
        # A clock that was put back fills nothing and takes nothing.
        passed_s = max(0.0, now_s - self.at_s)
        self.left = min(float(pace.burst), self.left + passed_s * pace.rate)
        self.at_s = now_s


def whole_seconds(wait_s: float) -> int:
    """What `Retry-After` says: at least one second, never too early."""
    return max(1, math.ceil(wait_s))
