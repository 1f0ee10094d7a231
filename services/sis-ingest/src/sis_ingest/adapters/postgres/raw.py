"""Which raw bytes nothing needs any more, in PostgreSQL. Runs in the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from sis_ingest.ports.stores import RawFile

# What is done with and behind nothing that still waits: a hold's items remember their cause, and
# a replay those that it has not said again yet.
_UNNEEDED: Final = """
    d.state <> 'waiting' AND d.purged_at IS NULL AND d.received_at < $1
    AND NOT EXISTS (SELECT FROM sis_ingest.hold_item i
                    WHERE i.district_id = d.district_id AND i.delivery_id = d.delivery_id)
    AND NOT EXISTS (SELECT FROM sis_ingest.replay_item p
                    WHERE p.district_id = d.district_id AND p.delivery_id = d.delivery_id)
"""

# Purpose: forget bodies of webhooks, oldest first. Rows: up to the step. Index: delivery_raw.
# house: no-district — time is over for every district alike
_PURGE_BODIES: Final = f"""
UPDATE sis_ingest.delivery SET body = NULL, headers = '{{}}', purged_at = $2
WHERE (district_id, delivery_id) IN (
    SELECT d.district_id, d.delivery_id FROM sis_ingest.delivery d
    WHERE {_UNNEEDED} AND d.kind = 'webhook'
    ORDER BY d.received_at LIMIT $3 FOR UPDATE SKIP LOCKED)
"""

# Purpose: refuse webhooks that nobody will ever read, because their source is configured no more.
# Rows: few. Index: delivery_waiting.
# house: no-district — time is over for every district alike
_REFUSE_ORPHANS: Final = """
UPDATE sis_ingest.delivery SET state = 'refused', reason = 'unknown_source', applied_at = $2
WHERE state = 'waiting' AND kind = 'webhook' AND received_at < $1 AND source_id <> ALL($3::text[])
"""

# Purpose: end runs that nobody will ever take up for the same reason, with their staged rows. Rows:
# few. Indexes: run_open, primary keys, snapshot_row_matched.
# house: no-district — time is over for every district alike
_END_ORPHANS: Final = """
WITH ended AS (
    UPDATE sis_ingest.run SET state = 'failed', reason = 'unknown_source', finished_at = $2
    WHERE state IN ('waiting', 'running') AND received_at < $1 AND source_id <> ALL($3::text[])
    RETURNING district_id, run_id, delivery_id
), forgotten AS (
    DELETE FROM sis_ingest.snapshot_row s USING ended e
    WHERE s.district_id = e.district_id AND s.run_id = e.run_id
), closed AS (
    DELETE FROM sis_ingest.snapshot_stage s USING ended e
    WHERE s.district_id = e.district_id AND s.run_id = e.run_id
)
UPDATE sis_ingest.delivery d SET state = 'refused', reason = 'unknown_source', applied_at = $2
FROM ended e
WHERE d.district_id = e.district_id AND d.delivery_id = e.delivery_id AND d.state = 'waiting'
"""

# Purpose: files whose time is over, locked. Rows: up to the step. Indexes: delivery_raw,
# run_delivery. A run that goes over the file again needs it.
# house: no-district — time is over for every district alike
_DUE_FILES: Final = f"""
SELECT d.district_id, d.delivery_id, r.file_name FROM sis_ingest.delivery d
CROSS JOIN LATERAL (
    SELECT file_name FROM sis_ingest.run r
    WHERE r.district_id = d.district_id AND r.delivery_id = d.delivery_id LIMIT 1) AS r
WHERE {_UNNEEDED} AND d.kind = 'snapshot'
  AND NOT EXISTS (SELECT FROM sis_ingest.run o WHERE o.district_id = d.district_id
                  AND o.delivery_id = d.delivery_id AND o.state IN ('waiting', 'running'))
ORDER BY d.received_at LIMIT $2 FOR UPDATE OF d SKIP LOCKED
"""

# Purpose: tell that the file behind a delivery is gone. Rows: the step's. Index: primary key.
_PURGED: Final = """
UPDATE sis_ingest.delivery d SET purged_at = $3
FROM unnest($1::text[], $2::uuid[]) AS p(district_id, delivery_id)
WHERE d.district_id = p.district_id AND d.delivery_id = p.delivery_id
"""

# Purpose: which of these files a run refers to. Rows: up to one per name. Index: run_id.
# house: no-district — a file is named by the id of its first run, unique over all districts
_KNOWN: Final = "SELECT file_name FROM sis_ingest.run WHERE run_id = ANY($1::uuid[])"


class PostgresRaw:
    """`ports.Raw`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def purge_bodies(self, *, before: datetime, now: datetime, limit: int) -> int:
        """See the port."""
        status = await self._driver.execute(_PURGE_BODIES, before, now, limit)
        return int(status.rpartition(" ")[2])

    async def refuse_orphans(
        self, *, before: datetime, now: datetime, sources: Sequence[str]
    ) -> None:
        """See the port."""
        for statement in (_REFUSE_ORPHANS, _END_ORPHANS):
            await self._driver.execute(statement, before, now, list(sources))

    async def due_files(self, *, before: datetime, limit: int) -> Sequence[RawFile]:
        """See the port."""
        rows = await self._driver.fetch(_DUE_FILES, before, limit)
        return [
            RawFile(
                district_id=row["district_id"],
                delivery_id=str(row["delivery_id"]),
                name=row["file_name"],
            )
            for row in rows
        ]

    async def purged(self, files: Sequence[RawFile], *, now: datetime) -> None:
        """See the port."""
        await self._driver.execute(
            _PURGED, [file.district_id for file in files], [file.delivery_id for file in files], now
        )

    async def known(self, names: Sequence[str]) -> frozenset[str]:
        """See the port."""
        rows = await self._driver.fetch(_KNOWN, list(names))
        return frozenset(row["file_name"] for row in rows)
