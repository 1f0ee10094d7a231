"""A loopback HTTP client for rates: keep-alive, one request at a time on each connection.

The same client measures the yardstick and what is compared with it, so its own cost cancels out.
It reads what uvicorn writes: a Content-Length, or chunks ending with an empty one.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast

from roster_common.errors import Retriable
from tests.bench.measuring import percentile

ANSWER_TIMEOUT_S = 10.0
HEAD_END = b"\r\n\r\n"
LAST_CHUNK = b"\r\n0\r\n\r\n"


class ConnectionEnded(Retriable):
    """The server closed a connection that was to stay open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Requests per second over all connections, milliseconds per request, answers by status."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    statuses: Mapping[int, int]


def get(path: str, *, host: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a GET request, for `load`."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines)).encode("ascii") + HEAD_END


async def load(
    host: str,
    port: int,
    request: bytes | Callable[[], bytes],
    *,
    connections: int,
    seconds: float,
) -> Load:
    """Send `request`, or what it gives each time, for `seconds`.

    Raises `ConnectionEnded` or `TimeoutError`.
    """
    tally = _Tally(until=perf_counter() + seconds)
    ask = request if callable(request) else lambda: request
    began = perf_counter()
    loop = asyncio.get_running_loop()
    opened = []
    async with asyncio.timeout(seconds + ANSWER_TIMEOUT_S):
        for _ in range(connections):
            _, connection = await loop.create_connection(
                lambda: _Connection(ask, tally), host, port
            )
            opened.append(connection)
        await asyncio.gather(*(connection.done for connection in opened))
    took = perf_counter() - began
    return Load(
        requests_per_s=len(tally.seconds) / took,
        p50_ms=percentile(tally.seconds, 50) * 1000,
        p99_ms=percentile(tally.seconds, 99) * 1000,
        statuses=dict(tally.statuses),
    )


@dataclass(slots=True, kw_only=True)
class _Tally:
    until: float
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


class _Connection(asyncio.Protocol):
    """Asks again as soon as the answer is complete, until the time is up."""

    def __init__(self, request: Callable[[], bytes], tally: _Tally) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._tally = tally
        self._answer = bytearray()
        self._whole: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._is_whole():
            return
        now = perf_counter()
        self._tally.seconds.append(now - self._asked_at)
        self._tally.statuses[int(self._answer[9:12])] += 1
        if now < self._tally.until:
            self._ask()
            return
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionEnded("the server closed the connection"))

    def _ask(self) -> None:
        self._answer.clear()
        self._whole = None
        self._asked_at = perf_counter()
        self._transport.write(self._request())

    def _is_whole(self) -> bool:
        if self._whole is None:
            end = self._answer.find(HEAD_END)
            if end < 0:
                return False
            head = bytes(self._answer[:end]).lower()
            _, found, rest = head.partition(b"\r\ncontent-length:")
            if not found:
                return self._answer.endswith(LAST_CHUNK)
            self._whole = end + len(HEAD_END) + int(rest.partition(b"\r\n")[0])
        return len(self._answer) >= self._whole
