"""Connections for vendor reads, taken out of the pool and kept at hand between reads.

The pool makes a task or two of every loan; at thousands of small reads a second that costs as much
as the reads. A line that had an error goes back to the pool, which knows how to mend it.
"""

import asyncio
from typing import Any, Final

import asyncpg

from roster_common.runtime.database import Database
from roster_publisher.ports.reading import ReadsBusy

_ACQUIRE_TIMEOUT_S: Final = 10.0
_READ_TIMEOUT_S: Final = 35.0
# For this transaction only.
_WITHIN: Final = "SELECT set_config('statement_timeout', $1, true)"


class ReadLines:
    """Every statement is a transaction of its own. `close` gives the connections back.

    Raises `ReadsBusy` when no line, or no turn of a slow read, came free in time.
    """

    def __init__(self, database: Database, *, size: int) -> None:
        self._database = database
        self._idle: list[Any] = []
        self._turns = asyncio.Semaphore(size)
        # Slow reads leave half of the lines to all others.
        self._slow_turns = asyncio.Semaphore(max(1, size // 2))

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

    async def slow_row(self, sql: str, *values: Any, within_s: float) -> asyncpg.Record | None:
        """The first row, of a statement that the server ends after `within_s`: it then raises
        `asyncpg.QueryCanceledError`. Waits for its turn among slow reads first.
        """
        await _turn(self._slow_turns)
        try:
            line = await self._take()
            try:
                async with line.transaction(readonly=True):
                    await line.execute(
                        _WITHIN, str(round(within_s * 1000)), timeout=_READ_TIMEOUT_S
                    )
                    found: asyncpg.Record | None = await line.fetchrow(
                        sql, *values, timeout=_READ_TIMEOUT_S
                    )
            except BaseException:
                await self._drop(line)
                raise
            self._give(line)
            return found
        finally:
            self._slow_turns.release()

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
            await self._release(self._idle.pop())

    async def _take(self) -> Any:
        await _turn(self._turns)
        try:
            while self._idle:
                line = self._idle.pop()
                if _is_open(line):
                    return line
                await self._release(line)
            pool = await self._database.pool()
            return await pool.acquire(timeout=_ACQUIRE_TIMEOUT_S)
        except BaseException:
            self._turns.release()
            raise

    def _give(self, line: Any) -> None:
        self._idle.append(line)
        self._turns.release()

    async def _drop(self, line: Any) -> None:
        self._turns.release()
        await self._release(line)

    async def _release(self, line: Any) -> None:
        await (await self._database.pool()).release(line)


async def _turn(turns: asyncio.Semaphore) -> None:
    if not turns.locked():
        await turns.acquire()
        return
    try:
        async with asyncio.timeout(_ACQUIRE_TIMEOUT_S):
            await turns.acquire()
    except TimeoutError as error:
        raise ReadsBusy("no turn came free in time") from error


def _is_open(line: Any) -> bool:
    """False for a line whose connection ended while it was idle: the pool has taken it back."""
    try:
        return not line.is_closed()
    except asyncpg.InterfaceError:
        return False
