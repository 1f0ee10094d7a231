"""Connections for vendor reads, taken out of the pool and kept at hand between reads.

The pool makes a task or two of every loan; at thousands of small reads a second that costs as much
as the reads. A line that had an error goes back to the pool, which knows how to mend it.
"""

import asyncio
from collections import deque
from typing import Any, Final

import asyncpg

from roster_common.runtime.database import Database

_ACQUIRE_TIMEOUT_S: Final = 10.0
_READ_TIMEOUT_S: Final = 35.0


class ReadLines:
    """Every statement is a transaction of its own. `close` gives the connections back."""

    def __init__(self, database: Database, *, size: int) -> None:
        self._database = database
        self._idle: list[Any] = []
        self._free = size
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def row(self, sql: str, *values: Any) -> asyncpg.Record | None:
        """The first row."""
        line = await self._take()
        try:
            found: asyncpg.Record | None = await line.fetchrow(
                sql, *values, timeout=_READ_TIMEOUT_S
            )
        except BaseException:
            await self._drop(line)
            raise
        self._give(line)
        return found

    async def rows(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        """All rows."""
        line = await self._take()
        try:
            found = await line.fetch(sql, *values, timeout=_READ_TIMEOUT_S)
        except BaseException:
            await self._drop(line)
            raise
        self._give(line)
        return list(found)

    async def close(self) -> None:
        """Give idle lines back to the pool; lines in use follow when their read is done."""
        while self._idle:
            await self._drop(self._idle.pop())

    async def _take(self) -> Any:
        while not self._idle and not self._free:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            async with asyncio.timeout(_ACQUIRE_TIMEOUT_S):
                await turn
        if self._idle:
            return self._idle.pop()
        self._free -= 1
        try:
            pool = await self._database.pool()
            return await pool.acquire(timeout=_ACQUIRE_TIMEOUT_S)
        except BaseException:
            self._free += 1
            self._wake()
            raise

    def _give(self, line: Any) -> None:
        self._idle.append(line)
        self._wake()

    async def _drop(self, line: Any) -> None:
        self._free += 1
        self._wake()
        await (await self._database.pool()).release(line)

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
