"""How fast a vendor may ask: a bucket of requests that fills again. Pure."""

import math
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

# Requests a second. Below the least, the seconds to wait would no longer be a number to tell.
LEAST_RATE: Final = 0.001
MOST_RATE: Final = 1_000_000
_LONGEST_NAME: Final = 200
# The smallest network that a subscriber gets, with more addresses than could be counted.
# Source: RFC 6177, section 2; RFC 4291, section 2.5.1.
_SUBSCRIBER_BITS: Final = 64


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


def sender_of(address: str) -> str:
    """Who shares one count with `address`: of IPv6 a whole network, of IPv4 the address. What is
    no address stands for itself.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return address[:_LONGEST_NAME]
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found), _SUBSCRIBER_BITS), strict=False))
