"""The one way out over HTTP: time-outs, retries that obey Retry-After, a breaker and a rate per host.

Knows no vendor. Bodies and queries are never logged; calls are named by the caller from a closed
set, because a URL may hold ids of persons.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import structlog

from roster_common.errors import Retriable
from roster_common.ports import Clock
from roster_common.runtime.clock import SystemClock
from roster_common.runtime.metrics import metric

logger = structlog.get_logger(__name__)

RETRIED = frozenset({429, 502, 503, 504})
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
Sleep = Callable[[float], Awaitable[None]]


class OutsideUnavailable(Retriable):
    """The outside did not answer usefully within its attempts; `retry_after_s` if it said so."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class BreakerOpen(OutsideUnavailable):
    """The host failed too often lately; it was not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPolicy:
    """Bounds for one host. Times in seconds; `per_second` 0 means no rate of ours."""

    timeout_s: float = 10.0
    total_s: float = 60.0
    attempts: int = 4
    concurrency: int = 8
    per_second: float = 0.0
    breaker_failures: int = 8
    breaker_rest_s: float = 15.0
    backoff_first_s: float = 0.2
    backoff_max_s: float = 10.0


class _Host:
    """State of one origin: breaker, rate and concurrency."""

    def __init__(self, policy: HttpPolicy, clock: Clock) -> None:
        self.policy = policy
        self.slots = asyncio.Semaphore(policy.concurrency)
        self._clock = clock
        self._failures = 0
        self._rest_until = 0.0
        self._probing = False
        self._next_at = 0.0

    def admit(self) -> float | None:
        """None if a call may go out (one probe after a rest), else seconds still to rest."""
        now = self._clock.monotonic()
        if now < self._rest_until:
            return self._rest_until - now
        if self._rest_until and self._probing:
            return self.policy.breaker_rest_s
        self._probing = bool(self._rest_until)
        return None

    def note(self, *, ok: bool) -> bool:
        """Count an outcome; True when the breaker is open now."""
        self._probing = False
        if ok:
            self._failures, self._rest_until = 0, 0.0
            return False
        self._failures += 1
        if self._failures >= self.policy.breaker_failures:
            self._rest_until = self._clock.monotonic() + self.policy.breaker_rest_s
        return self._rest_until > 0

    def turn_in_s(self) -> float:
        """Seconds until the rate lets the next call go; takes that place."""
        if self.policy.per_second <= 0:
            return 0.0
        now = self._clock.monotonic()
        at = max(now, self._next_at)
        self._next_at = at + 1 / self.policy.per_second
        return at - now


class HttpClient:
    """Shared client of a process; one connection pool, state per origin."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        policy: HttpPolicy | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._chance = chance
        self._policy = policy or HttpPolicy()
        self._transport = transport
        self._client: httpx2.AsyncClient | None = None
        self._hosts: dict[str, _Host] = {}

    def limit(self, base_url: str, policy: HttpPolicy) -> None:
        """Give the origin of `base_url` bounds of its own; before the first call to it."""
        self._hosts[_origin(base_url)] = _Host(policy, self._clock)

    async def request(
        self,
        method: str,
        url: str,
        *,
        name: str,
        headers: Mapping[str, str] | None = None,
        retryable: bool | None = None,
        **options: Any,  # noqa: ANN401 - passed to httpx2 as they are
    ) -> httpx2.Response:
        """Send and return the answer, whatever its status.

        Retries connection errors, 429 and 502–504, only for idempotent methods or `retryable`
        calls, within `attempts` and `total_s`. Raises `OutsideUnavailable` when no answer came or
        the last one still asked to wait, `BreakerOpen` without asking.
        """
        host = self._hosts.setdefault(_origin(url), _Host(self._policy, self._clock))
        may_retry = method.upper() in IDEMPOTENT if retryable is None else retryable
        deadline = self._clock.monotonic() + host.policy.total_s
        attempt = 1
        while True:
            answer, wait_s = await self._once(host, method, url, name, headers, options)
            if answer is not None and answer.status_code not in RETRIED:
                return answer
            pause_s = self._pause_s(host.policy, attempt) if wait_s is None else wait_s
            spent = self._clock.monotonic() + pause_s > deadline
            if not may_retry or attempt >= host.policy.attempts or spent:
                status = "no answer" if answer is None else str(answer.status_code)
                raise OutsideUnavailable(f"{name}: {status}", retry_after_s=wait_s)
            attempt += 1
            await self._sleep(pause_s)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _once(
        self,
        host: _Host,
        method: str,
        url: str,
        name: str,
        headers: Mapping[str, str] | None,
        options: Mapping[str, Any],
    ) -> tuple[httpx2.Response | None, float | None]:
        outcomes = metric("outgoing_requests_total")
        async with host.slots:
            rest_s = host.admit()
            if rest_s is not None:
                outcomes.labels(host_name=name, outcome="breaker_open").inc()
                raise BreakerOpen(f"{name}: breaker open", retry_after_s=rest_s)
            if (turn_in_s := host.turn_in_s()) > 0:
                await self._sleep(turn_in_s)
            began = self._clock.monotonic()
            try:
                answer = await self._opened().request(
                    method, url, headers=headers, timeout=host.policy.timeout_s, **options
                )
            except (httpx2.TransportError, OSError) as error:
                timed_out = isinstance(error, httpx2.TimeoutException)
                outcomes.labels(
                    host_name=name, outcome="timeout" if timed_out else "unreachable"
                ).inc()
                self._breaker(name, is_open=host.note(ok=False))
                return None, None
            metric("outgoing_request_seconds").labels(host_name=name).observe(
                self._clock.monotonic() - began
            )
        outcomes.labels(host_name=name, outcome=_outcome(answer.status_code)).inc()
        self._breaker(name, is_open=host.note(ok=answer.status_code < 500))
        return answer, _retry_after_s(answer, self._clock)

    @staticmethod
    def _breaker(name: str, *, is_open: bool) -> None:
        metric("breaker_open").labels(host_name=name).set(1 if is_open else 0)

    def _pause_s(self, policy: HttpPolicy, attempt: int) -> float:
        longest = min(policy.backoff_max_s, policy.backoff_first_s * 2 ** (attempt - 1))
        return longest * (0.5 + self._chance() / 2)

    def _opened(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = httpx2.AsyncClient(
                transport=self._transport,
                follow_redirects=False,
                limits=httpx2.Limits(max_connections=100, max_keepalive_connections=50),
            )
        return self._client


def _origin(url: str) -> str:
    parts = httpx2.URL(url)
    return f"{parts.scheme}://{parts.host}:{parts.port}"


def _outcome(status: int) -> str:
    if status == 429:
        return "throttled"
    if status >= 500:
        return "server_error"
    return "client_error" if status >= 400 else "ok"


def _retry_after_s(answer: httpx2.Response, clock: Clock) -> float | None:
    """Seconds from a Retry-After header (RFC 9110 §10.2.3: seconds or an HTTP date)."""
    if answer.status_code not in RETRIED:
        return None
    given = answer.headers.get("retry-after", "").strip()
    if given.isdigit():
        return float(given)
    try:
        return max(0.0, (parsedate_to_datetime(given) - clock.now()).total_seconds())
    except (TypeError, ValueError):
        return None
