"""Keeps the planner's figures of a service's own tables true while they fill.

PostgreSQL's own autovacuum looks once a minute. A first load fills a table in seconds, and until
somebody counts it the planner takes a whole district for one row: a lookup of 200 keys then reads
every row 200 times. Source: PostgreSQL manual, "Routine Vacuuming", 25.1.3 and 25.1.6.
"""

from typing import Final

import asyncpg
import structlog

from roster_common.runtime.database import AWAY, Database, DatabaseAway

logger = structlog.get_logger(__name__)

EVERY_S: Final = 3.0
FEW_ROWS: Final = 500
SHARE: Final = 0.5
# 300 times as many rows are looked at, and that is what a count costs: 3,000 rows tell an empty
# table from a full one. With the server's own 100 it was a third of a first load's work there.
TARGET: Final = 10

# Purpose: own tables that changed by more than a few rows and half of what they had when they were
# last counted. Rows: a dozen at most. Reads catalogs only.
_CHANGED: Final = """
SELECT format('%I.%I', s.schemaname, s.relname)
FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
WHERE s.schemaname = $1 AND c.relkind = 'r'
  AND s.n_mod_since_analyze > $2 + $3 * greatest(c.reltuples, 0)
"""


def analyze(table: str) -> str:
    """The statements that count `table`, a quoted name of ours; the setting ends with the
    transaction they run in.
    """
    return f"SET LOCAL default_statistics_target = {TARGET}; ANALYZE {table}"


class Statistics:
    """Counts the tables of one schema anew when they have changed much."""

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        self._schema = schema

    async def __call__(self) -> None:
        """Analyze what has changed; each table is a transaction of its own. May run twice.

        A table that somebody else is busy with waits for the next time. Raises `DatabaseAway`.
        """
        try:
            pool = await self._database.pool()
            for row in await pool.fetch(_CHANGED, self._schema, FEW_ROWS, SHARE):
                await self._count(pool, row[0])
        except AWAY as error:
            raise DatabaseAway("the database did not answer") from error

    async def _count(self, pool: asyncpg.Pool, table: str) -> None:
        try:
            # From the catalog, quoted by the server: nothing of it came from outside.
            await pool.execute(analyze(table))
        except asyncpg.LockNotAvailableError:
            logger.info("table_not_counted", table=table)
