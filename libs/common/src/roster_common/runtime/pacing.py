"""How fast and whether one outside address may be called: rate, breaker, backoff. No I/O here.

Times are monotonic seconds handed in by the caller.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_RETRY_AFTER_S: Final = 3_600.0


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
    # The longest body that is taken in, after decompression.
    max_answer_bytes: int = 16 * 1024 * 1024


class Pace:
    """A distance between calls that finds a limit nobody states: wider at each refusal, and
    narrower again with what is answered and with time.
    """

    FIRST_S = 0.05
    WIDEST_S = 10.0
    _EASING = 0.98
    # Without a refusal the distance is half of it after so long: a limit seldom stays for ever.
    _HALVED_AFTER_S = 60.0

    def __init__(self) -> None:
        self._distance_s = 0.0
        self._next_s = float("-inf")
        self._eased_at_s = float("-inf")
        self._widened_at_s = float("-inf")

    @property
    def distance_s(self) -> float:
        """Seconds between two calls as things stand; 0 means no limit was met."""
        return self._distance_s

    def reserve(self, now_s: float, *, within_s: float = float("inf")) -> float:
        """Take one turn and give the seconds to wait for it; none is taken beyond `within_s`."""
        if self._distance_s > 0.0:
            self._ease(0.5 ** ((now_s - self._eased_at_s) / self._HALVED_AFTER_S))
        self._eased_at_s = now_s
        turn_s = max(now_s, self._next_s)
        if turn_s - now_s < within_s:
            self._next_s = turn_s + self._distance_s
        return turn_s - now_s

    def refused(self, now_s: float) -> None:
        """Note that a call came too early. Calls refused together tell of one distance."""
        if now_s - self._widened_at_s < self._distance_s:
            return
        self._distance_s = min(max(self._distance_s * 2, self.FIRST_S), self.WIDEST_S)
        self._widened_at_s = self._eased_at_s = now_s

    def answered(self) -> None:
        """Note that a call was answered."""
        self._ease(self._EASING)

    def _ease(self, by: float) -> None:
        eased = self._distance_s * by
        self._distance_s = eased if eased > self.FIRST_S / 10 else 0.0


class TokenBucket:
    """A rate limit: `rate_per_s` on average, `burst` at once."""

    def __init__(self, *, rate_per_s: float, burst: int, now_s: float) -> None:
        self._rate = rate_per_s
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = now_s

    def reserve(self, now_s: float, *, within_s: float = float("inf")) -> float:
        """Take one turn and give the seconds to wait for it: first come, first served.

        A turn beyond `within_s` is not taken: nobody would wait for it.
        """
        self._tokens = min(self._burst, self._tokens + (now_s - self._at) * self._rate)
        self._at = now_s
        wait_s = max(0.0, (1.0 - self._tokens) / self._rate)
        if wait_s < within_s:
            self._tokens -= 1.0
        return wait_s


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
    """Read `Retry-After` (RFC 9110 section 10.2.3): seconds or a date. None for nonsense.

    Never more than an hour: nobody on our side would notice a source that silenced itself for ever.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), LONGEST_RETRY_AFTER_S)
