"""How fast and whether one outside address may be called: rate, breaker, backoff. No I/O here.

Times are monotonic seconds handed in by the caller.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPolicy:
    """How one kind of outside system is called. Times in seconds."""

    connect_timeout_s: float = 3.0
    read_timeout_s: float = 10.0
    # Over all attempts and the waits between them.
    total_timeout_s: float = 30.0
    max_attempts: int = 4
    backoff_first_s: float = 0.2
    backoff_max_s: float = 5.0
    # Per address (scheme, host, port): None means no limit.
    rate_per_s: float | None = None
    burst: int = 10
    max_concurrency: int = 16
    breaker_failures: int = 5
    breaker_open_s: float = 15.0
    # Whether to slow down for a while after each 429, for systems whose limit nobody knows.
    adaptive: bool = False


class Pace:
    """A distance between calls that finds a limit nobody states: wider at each refusal, and
    narrower again with what is answered.
    """

    FIRST_S = 0.05
    WIDEST_S = 10.0
    _EASING = 0.98

    def __init__(self) -> None:
        self._distance_s = 0.0
        self._next_s = float("-inf")

    @property
    def distance_s(self) -> float:
        """Seconds between two calls as things stand; 0 means no limit was met."""
        return self._distance_s

    def reserve(self, now_s: float) -> float:
        """Take one turn and give the seconds to wait for it."""
        turn_s = max(now_s, self._next_s)
        self._next_s = turn_s + self._distance_s
        return turn_s - now_s

    def refused(self) -> None:
        """Note that a call came too early."""
        self._distance_s = min(max(self._distance_s * 2, self.FIRST_S), self.WIDEST_S)

    def answered(self) -> None:
        """Note that a call was answered."""
        eased = self._distance_s * self._EASING
        self._distance_s = eased if eased > self.FIRST_S / 10 else 0.0


class TokenBucket:
    """A rate limit: `rate_per_s` on average, `burst` at once."""

    def __init__(self, *, rate_per_s: float, burst: int, now_s: float) -> None:
        self._rate = rate_per_s
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = now_s

    def reserve(self, now_s: float) -> float:
        """Take one turn and give the seconds to wait for it: first come, first served."""
        self._tokens = min(self._burst, self._tokens + (now_s - self._at) * self._rate)
        self._at = now_s
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._rate)


class Breaker:
    """Stops calling an address that keeps failing, then lets one call at a time try it.

    Closed → open after `failures` in a row → half open after `open_s` → closed by one success, or
    open again by one failure.
    """

    def __init__(self, *, failures: int, open_s: float) -> None:
        self._limit = failures
        self._open_s = open_s
        self._failures = 0
        self._open_until: float | None = None
        self._trying = False

    @property
    def is_open(self) -> bool:
        """Say whether calls are held back; half open counts as open."""
        return self._open_until is not None

    def wait_s(self, now_s: float) -> float | None:
        """Ask to call: None means go ahead, else the seconds after which asking makes sense.

        Who gets None must report `succeeded`, `failed` or `abandoned` afterwards.
        """
        if self._open_until is None:
            return None
        if now_s < self._open_until:
            return self._open_until - now_s
        if self._trying:
            return self._open_s
        self._trying = True
        return None

    def succeeded(self) -> None:
        """Note that the address answered sensibly."""
        self._failures = 0
        self._open_until = None
        self._trying = False

    def failed(self, now_s: float) -> None:
        """Note that the address failed."""
        self._failures += 1
        if self._trying or self._failures >= self._limit:
            self._open_until = now_s + self._open_s
        self._trying = False

    def abandoned(self) -> None:
        """Note that the call ended without telling anything of the address (it was cancelled)."""
        self._trying = False


def backoff_s(policy: CallPolicy, *, failures: int, chance: float) -> float:
    """Give the wait after the given number of failures: "full jitter", `chance` in [0, 1)."""
    ceiling = min(policy.backoff_max_s, policy.backoff_first_s * 2.0 ** min(failures - 1, 16))
    # Never zero: an immediate second call meets the same fault.
    return ceiling * (0.1 + 0.9 * chance)


def retry_after_s(header: str | None, *, now: datetime) -> float | None:
    """Read `Retry-After` (RFC 9110 section 10.2.3): seconds or a date. None for nonsense."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
