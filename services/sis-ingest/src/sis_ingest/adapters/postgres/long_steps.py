"""Statements that go over all staged rows of a run, within a time-out of their own.

What a door or a batch asks of the database is given up after seconds. A statement that compares a
state's million students whole takes minutes, and given up it would be begun again, for nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

# Purpose: how long the server works on each statement from here to the end of the transaction.
_WITHIN: Final = "SELECT set_config('statement_timeout', $1, true)"
# The server ends a statement first; this ends the wait for a server that says nothing at all.
_ANSWER_GRACE_S: Final = 5.0


class LongSteps:
    """The driver of one transaction, for its long statements. Nothing waits for ever."""

    def __init__(self, driver: asyncpg.Connection, *, within_s: float) -> None:
        self._driver = driver
        self._within = str(max(1, round(within_s * 1_000)))
        self._wait_s = within_s + _ANSWER_GRACE_S
        self._told = False

    async def execute(self, sql: str, *values: Any) -> str:
        """Its status, such as `INSERT 0 5`."""
        await self._tell()
        status: str = await self._driver.execute(sql, *values, timeout=self._wait_s)
        return status

    async def fetch(self, sql: str, *values: Any) -> Sequence[Any]:
        """Its rows."""
        await self._tell()
        rows: Sequence[Any] = await self._driver.fetch(sql, *values, timeout=self._wait_s)
        return rows

    async def fetchval(self, sql: str, *values: Any) -> Any:
        """Its only value."""
        await self._tell()
        return await self._driver.fetchval(sql, *values, timeout=self._wait_s)

    async def _tell(self) -> None:
        if not self._told:
            await self._driver.execute(_WITHIN, self._within)
            self._told = True
