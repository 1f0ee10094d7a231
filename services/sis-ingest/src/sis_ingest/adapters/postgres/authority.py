"""Which source has authority over which place. Runs in the caller's transaction."""

from collections.abc import Set
from typing import Final

import asyncpg

from sis_ingest.domain.authority import Authority

# Purpose: what is laid down in a district. Rows: up to one per school. Index: primary key.
_OF: Final = "SELECT school_id, source_id FROM sis_ingest.authority WHERE district_id = $1"


class PostgresAuthority:
    """`ports.AuthorityTable`; `supplements` are the sources that only add to others."""

    def __init__(self, driver: asyncpg.Connection, *, supplements: Set[str]) -> None:
        self._driver = driver
        self._supplements = supplements

    async def of(self, district_id: str) -> Authority:
        """See the port."""
        rows = await self._driver.fetch(_OF, district_id)
        return Authority(
            sources={row["school_id"]: row["source_id"] for row in rows},
            supplements=self._supplements,
        )
