"""Wake-up calls between processes: LISTEN and NOTIFY beside the commit, never inside it.

A NOTIFY inside a committing transaction takes one lock for the whole database and would queue all
writers; sent after the commit it costs them nothing. A lost call costs a reader its poll interval.
"""

import asyncio
from collections.abc import Iterable

import asyncpg
import structlog

logger = structlog.get_logger(__name__)

CHANNEL = "homeroom_log"
_RETRY_S = 1.0


class Wake:
    """Coalescing sender and receiver of "these topics have news" on one connection of its own.

    Starts itself on first use. While its connection is away, readers fall back to polling.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._outgoing: set[str] = set()
        self._work = asyncio.Event()
        self._listeners: dict[asyncio.Event, frozenset[str]] = {}
        self._task: asyncio.Task[None] | None = None

    def poke(self, topics: Iterable[str]) -> None:
        """Wake readers in this process at once and those in other processes soon after."""
        wanted = frozenset(topics)
        self._wake(wanted)
        self._outgoing |= wanted
        self._work.set()
        self._ensure_running()

    def listen(self, topics: Iterable[str]) -> asyncio.Event:
        """Return an event that is set whenever one of `topics` has news; the reader clears it."""
        event = asyncio.Event()
        self._listeners[event] = frozenset(topics)
        self._ensure_running()
        return event

    def forget(self, event: asyncio.Event) -> None:
        """Stop waking `event`."""
        self._listeners.pop(event, None)

    async def close(self) -> None:
        """End the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _ensure_running(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="log-wake")

    def _wake(self, topics: frozenset[str]) -> None:
        for event, wanted in self._listeners.items():
            if not wanted.isdisjoint(topics):
                event.set()

    def _received(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._wake(frozenset(str(payload).split(",")))

    async def _run(self) -> None:
        while True:
            try:
                connection = await asyncpg.connect(self._url, timeout=10)
            except (OSError, TimeoutError, asyncpg.PostgresError):
                await asyncio.sleep(_RETRY_S)
                continue
            try:
                await connection.add_listener(CHANNEL, self._received)
                await self._send_until_lost(connection)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                logger.warning("log_wake_connection_lost")
            finally:
                connection.terminate()

    async def _send_until_lost(self, connection: asyncpg.Connection) -> None:
        while not connection.is_closed():
            # asyncio.timeout, not wait_for: on Python 3.11 that one can swallow a cancellation.
            try:
                async with asyncio.timeout(_RETRY_S):
                    await self._work.wait()
            except TimeoutError:
                continue
            self._work.clear()
            topics, self._outgoing = self._outgoing, set()
            if topics:
                await connection.execute(
                    "SELECT pg_notify($1, $2)", CHANNEL, ",".join(sorted(topics)), timeout=10
                )
