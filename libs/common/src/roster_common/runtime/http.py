"""The one way out over HTTP: time-outs, retries, breaker, rate and concurrency per address.

Logs and metrics carry the name that the caller gave to the system, a status and a time: never an
address with a query, never a body, never a header.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import httpx2

from roster_common.errors import Retriable
from roster_common.ports import Clock
from roster_common.runtime.clock import SystemClock
from roster_common.runtime.logging import get_logger
from roster_common.runtime.metrics import metric
from roster_common.runtime.pacing import (
    Breaker,
    CallPolicy,
    Pace,
    TokenBucket,
    backoff_s,
    retry_after_s,
)

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
RETRY_STATUSES = frozenset({429, 502, 503, 504})
MAX_ADDRESSES = 2_048
TOO_LARGE = "too_large"
# What a body says of itself only while it is on its way.
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})

Repeat = Literal["if_idempotent", "always", "never"]
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)

logger = get_logger(__name__)


class OutsideUnavailable(Retriable):
    """An outside system did not do its part. `maybe_done`: it may have acted on the request."""

    def __init__(
        self,
        name: str,
        *,
        cause: str,
        attempts: int,
        maybe_done: bool,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{name}: {cause} after {attempts} attempts")
        self.name = name
        self.cause = cause
        self.attempts = attempts
        self.maybe_done = maybe_done
        self.status = status
        self.retry_after_s = retry_after_s


class BreakerOpen(Retriable):
    """The address failed too often and is left alone for `retry_after_s`; nothing was sent."""

    def __init__(self, name: str, *, retry_after_s: float) -> None:
        super().__init__(f"{name}: breaker open")
        self.name = name
        self.retry_after_s = retry_after_s


@dataclass(slots=True, kw_only=True)
class _Address:
    """What we know of one (name, scheme, host, port)."""

    policy: CallPolicy
    breaker: Breaker
    bucket: TokenBucket | None
    pace: Pace
    places: asyncio.Semaphore
    not_before_s: float = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """An attempt that did not bring a usable answer."""

    outcome: str
    sent: bool
    status: int | None = None
    retry_after_s: float | None = None


@dataclass(slots=True, kw_only=True)
class _Call:
    name: str
    request: httpx2.Request
    address: _Address
    may_repeat: bool
    deadline_s: float
    renew: Callable[[], Mapping[str, str]] | None
    attempts: int = 0
    maybe_done: bool = field(default=False)


class HttpClient:
    """Calls outside systems. One per process; `close` gives the connections back.

    `policies` is by the caller's name for the system; a name without one gets `default`. Breaker,
    rate and concurrency count per address, so one dead vendor delays only itself.
    """

    def __init__(
        self,
        *,
        policies: Mapping[str, CallPolicy] | None = None,
        default: CallPolicy | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        proxy: str | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._policies = dict(policies or {})
        self._default = default or CallPolicy()
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._chance = chance
        self._addresses: OrderedDict[tuple[str, str], _Address] = OrderedDict()
        self._client = httpx2.AsyncClient(
            transport=transport,
            proxy=proxy,
            # Proxies and certificates come from settings, not from whatever the shell had set.
            trust_env=False,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=200, max_keepalive_connections=50),
        )

    async def __aenter__(self) -> Self:
        """Use as a block that closes the client at its end."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close the client."""
        await self.close()

    def follow(self, name: str, policy: CallPolicy) -> None:
        """Call the system of this name by a policy of its own; before its first call."""
        self._policies[name] = policy

    def is_open(self, name: str) -> bool:
        """Say whether the breaker of any address called by this name holds calls back."""
        return any(key[0] == name and one.breaker.is_open for key, one in self._addresses.items())

    async def close(self) -> None:
        """Give all connections back, within five seconds."""
        async with asyncio.timeout(5.0):
            await self._client.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        name: str,
        repeat: Repeat = "if_idempotent",
        timeout_s: float | None = None,
        renew: Callable[[], Mapping[str, str]] | None = None,
        **parts: Any,
    ) -> httpx2.Response:
        """Send a request and give the answer, whole, whatever its status but 429, 502, 503, 504.

        Those four, and a broken or slow connection, are tried again with backoff (Retry-After is
        obeyed) when the method is idempotent or `repeat` is "always" (a POST that the other side
        recognises by its key); a connection that never stood is always tried again. `timeout_s`
        bounds everything together. `renew` gives headers for each attempt anew, such as a
        signature that may be used once. Redirects are not followed.

        Raises OutsideUnavailable when attempts or time run out or the answer is larger than the
        policy takes in (`too_large`), BreakerOpen without calling.
        """
        request = self._client.build_request(method, url, **parts)
        address = self._address(name, request.url)
        total_s = timeout_s if timeout_s is not None else address.policy.total_timeout_s
        call = _Call(
            name=name,
            request=request,
            address=address,
            may_repeat=repeat == "always"
            or (repeat == "if_idempotent" and request.method in IDEMPOTENT),
            deadline_s=self._clock.monotonic() + total_s,
            renew=renew,
        )
        while True:
            await self._wait_for_turn(call)
            outcome = await self._attempt(call)
            if isinstance(outcome, httpx2.Response):
                return outcome
            await self._before_next(call, outcome)

    async def _wait_for_turn(self, call: _Call) -> None:
        """Wait out the rate limit and what Retry-After asked for."""
        now_s = self._clock.monotonic()
        within_s = call.deadline_s - now_s
        wait_s = max(0.0, call.address.not_before_s - now_s)
        if wait_s < within_s and call.address.bucket is not None:
            wait_s = max(wait_s, call.address.bucket.reserve(now_s, within_s=within_s))
        if wait_s < within_s:
            wait_s = max(wait_s, call.address.pace.reserve(now_s, within_s=within_s))
        if wait_s <= 0:
            return
        if now_s + wait_s >= call.deadline_s:
            raise self._unavailable(call, _Failure(outcome="throttled", sent=False), wait_s)
        await self._sleep(wait_s)

    async def _attempt(self, call: _Call) -> httpx2.Response | _Failure:
        address, breaker = call.address, call.address.breaker
        left_s = call.deadline_s - self._clock.monotonic()
        if left_s <= 0:
            raise self._unavailable(call, _Failure(outcome="timeout", sent=False), None)
        try:
            async with asyncio.timeout(left_s):
                await address.places.acquire()
        except TimeoutError:
            # Our own queue was too long, which says nothing of the address.
            raise self._unavailable(call, _Failure(outcome="throttled", sent=False), None) from None
        try:
            wait_s = breaker.wait_s(self._clock.monotonic())
            if wait_s is not None:
                self._count(call.name, "breaker_open")
                raise BreakerOpen(call.name, retry_after_s=wait_s)
            call.attempts += 1
            outcome = await self._send_in_time(call)
        finally:
            address.places.release()
        self._judge(call, outcome)
        return outcome

    async def _send_in_time(self, call: _Call) -> httpx2.Response | _Failure:
        left_s = max(0.0, call.deadline_s - self._clock.monotonic())
        try:
            async with asyncio.timeout(left_s):
                return await self._send(call, left_s)
        except TimeoutError:
            return _Failure(outcome="timeout", sent=True)
        except BaseException:
            call.address.breaker.abandoned()
            raise

    async def _send(self, call: _Call, left_s: float) -> httpx2.Response | _Failure:
        policy = call.address.policy
        call.request.extensions["timeout"] = {
            "connect": min(policy.connect_timeout_s, left_s),
            "pool": min(policy.connect_timeout_s, left_s),
            "read": min(policy.read_timeout_s, left_s),
            "write": min(policy.read_timeout_s, left_s),
        }
        if call.renew is not None:
            call.request.headers.update(call.renew())
        started = self._clock.monotonic()
        try:
            response = await self._whole(call.request, policy.max_answer_bytes)
        except _NOT_SENT:
            return _Failure(outcome="unreachable", sent=False)
        except httpx2.TimeoutException:
            return _Failure(outcome="timeout", sent=True)
        except (httpx2.TransportError, httpx2.DecodingError):
            return _Failure(outcome="unreachable", sent=True)
        finally:
            seconds = self._clock.monotonic() - started
            metric("outgoing_request_seconds").labels(host_name=call.name).observe(seconds)
        if response is None:
            return _Failure(outcome=TOO_LARGE, sent=True)
        if response.status_code not in RETRY_STATUSES:
            return response
        return _Failure(
            outcome="throttled" if response.status_code == 429 else "server_error",
            # 429 says that nothing was done; a gateway's 502 or 504 says nothing of the sort.
            sent=response.status_code != 429,
            status=response.status_code,
            retry_after_s=retry_after_s(response.headers.get("retry-after"), now=self._clock.now()),
        )

    async def _whole(self, request: httpx2.Request, limit: int) -> httpx2.Response | None:
        """The answer with its body, decompressed; None when it is longer than the limit."""
        answer = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > limit:
                    return None
        finally:
            await answer.aclose()
        kept = [(k, v) for k, v in answer.headers.multi_items() if k.lower() not in _OF_THE_WIRE]
        return httpx2.Response(
            answer.status_code, headers=kept, content=bytes(body), request=request
        )

    def _judge(self, call: _Call, outcome: httpx2.Response | _Failure) -> None:
        """Tell the breaker and the metrics. 429 is the sign of a living system."""
        address, now_s = call.address, self._clock.monotonic()
        was_open = address.breaker.is_open
        if isinstance(outcome, httpx2.Response):
            result = _outcome_of(outcome.status_code)
        else:
            result = outcome.outcome
            call.maybe_done = call.maybe_done or outcome.sent
        if result in ("server_error", "timeout", "unreachable"):
            address.breaker.failed(now_s)
        else:
            address.breaker.succeeded()
        if address.policy.adaptive and result == "throttled":
            address.pace.refused(now_s)
        elif result == "ok":
            address.pace.answered()
        self._count(call.name, result)
        if address.breaker.is_open != was_open:
            metric("breaker_open").labels(host_name=call.name).inc(-1 if was_open else 1)
            logger.warning("breaker_changed", outside=call.name, open=address.breaker.is_open)

    async def _before_next(self, call: _Call, failure: _Failure) -> None:
        """Wait before the next attempt, or raise when there is to be none."""
        policy, now_s = call.address.policy, self._clock.monotonic()
        if failure.retry_after_s is not None:
            call.address.not_before_s = now_s + failure.retry_after_s
        wait_s = failure.retry_after_s
        if wait_s is None:
            wait_s = backoff_s(policy, failures=call.attempts, chance=self._chance())
        asks_again = call.may_repeat and failure.outcome != TOO_LARGE
        repeatable = asks_again or (not failure.sent and failure.status is None)
        enough = call.attempts >= policy.max_attempts or now_s + wait_s >= call.deadline_s
        if not repeatable or enough:
            raise self._unavailable(call, failure, failure.retry_after_s)
        if failure.retry_after_s is None:
            await self._sleep(wait_s)

    def _unavailable(
        self, call: _Call, failure: _Failure, wait_s: float | None
    ) -> OutsideUnavailable:
        logger.warning(
            "outside_unavailable",
            outside=call.name,
            method=call.request.method,
            outcome=failure.outcome,
            status=failure.status,
            attempts=call.attempts,
        )
        return OutsideUnavailable(
            call.name,
            cause=failure.outcome,
            attempts=call.attempts,
            maybe_done=call.maybe_done,
            status=failure.status,
            retry_after_s=wait_s,
        )

    def _count(self, name: str, outcome: str) -> None:
        metric("outgoing_requests_total").labels(host_name=name, outcome=outcome).inc()

    def _address(self, name: str, url: httpx2.URL) -> _Address:
        key = (name, f"{url.scheme}://{url.netloc.decode('ascii')}")
        found = self._addresses.get(key)
        if found is None:
            policy = self._policies.get(name, self._default)
            found = self._addresses[key] = _Address(
                policy=policy,
                breaker=Breaker(failures=policy.breaker_failures, open_s=policy.breaker_open_s),
                bucket=None
                if policy.rate_per_s is None
                else TokenBucket(
                    rate_per_s=policy.rate_per_s,
                    burst=policy.burst,
                    now_s=self._clock.monotonic(),
                ),
                pace=Pace(),
                places=asyncio.Semaphore(policy.max_concurrency),
            )
            self._forget_some()
        self._addresses.move_to_end(key)
        return found

    def _forget_some(self) -> None:
        """Drop what was used longest ago, so that addresses given by others cannot fill memory."""
        while len(self._addresses) > MAX_ADDRESSES:
            (name, _), dropped = self._addresses.popitem(last=False)
            if dropped.breaker.is_open:
                metric("breaker_open").labels(host_name=name).inc(-1)


def _outcome_of(status: int) -> str:
    if status >= 500:
        return "server_error"
    return "client_error" if status >= 400 else "ok"
