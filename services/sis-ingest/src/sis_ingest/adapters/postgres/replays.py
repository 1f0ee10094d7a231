"""Replays in PostgreSQL: writes in the caller's transaction, reads for doors and loops by pool."""

import uuid
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import orjson

from roster_common.runtime.database import Database
from roster_common.runtime.sealing import Seal
from sis_ingest.adapters.postgres.runs import to_run
from sis_ingest.domain.deliveries import Delivery, Place
from sis_ingest.domain.replays import Replay, Said, Selection

# Purpose: keep a new replay. Rows: 1.
_ADD: Final = """
INSERT INTO sis_ingest.replay (district_id, replay_id, correlation_id, requested_by, dry_run, as_of,
    state, asked_at, total)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)
"""

# Purpose: put the deliveries meant into a replay, in the order they came. Rows: those. Index:
# primary key by ids, delivery_received by time. What only tried a file out is none of them.
_FILL: Final = """
INSERT INTO sis_ingest.replay_item (district_id, replay_id, place, delivery_id)
SELECT $1, $2, row_number() OVER (ORDER BY d.seq), d.delivery_id FROM sis_ingest.delivery d
WHERE d.district_id = $1 AND d.state <> 'waiting'
  AND ($4::text IS NULL AND d.delivery_id = ANY($3::uuid[])
       OR d.source_id = $4 AND d.received_at > $5 AND d.received_at <= $6)
  AND NOT EXISTS (SELECT FROM sis_ingest.run r WHERE r.district_id = $1
                  AND r.delivery_id = d.delivery_id AND r.replay_id IS NULL AND r.dry_run)
"""

# Purpose: overwrite what moves. Rows: 1. Index: primary key.
_SAVE: Final = """
UPDATE sis_ingest.replay SET state = $3, started_at = $4, finished_at = $5, total = $6,
    reason = $7, outcomes = $8::jsonb
WHERE district_id = $1 AND replay_id = $2
"""

# Purpose: the next deliveries to say again. Rows: one batch. Index: primary keys.
_NEXT: Final = """
SELECT i.place, d.delivery_id, d.source_id, d.kind, d.external_id, d.correlation_id,
       d.received_at, d.headers::text AS headers, d.body, d.purged_at IS NOT NULL AS purged
FROM sis_ingest.replay_item i
JOIN sis_ingest.delivery d ON d.district_id = $1 AND d.delivery_id = i.delivery_id
WHERE i.district_id = $1 AND i.replay_id = $2
ORDER BY i.place LIMIT $3
"""

# Purpose: runs of a file: the one it came with, and the one of this replay. Rows: up to 2. Index:
# run_delivery.
_RUNS: Final = """
SELECT * FROM sis_ingest.run
WHERE district_id = $1 AND delivery_id = $2 AND (replay_id IS NULL OR replay_id = $3)
ORDER BY replay_id NULLS LAST LIMIT 1
"""

# Purpose: take what is done off the list; all of it without a place. Rows: one batch. Primary key.
_DONE: Final = """
DELETE FROM sis_ingest.replay_item
WHERE district_id = $1 AND replay_id = $2 AND ($3::integer IS NULL OR place <= $3)
"""

# Purpose: which of these deliveries there are. Rows: up to one each. Index: primary key.
_KNOWN: Final = """
SELECT delivery_id::text FROM sis_ingest.delivery
WHERE district_id = $1 AND delivery_id = ANY($2::uuid[])
"""

# Purpose: one replay by its id. Rows: 0 or 1. Index: replay_id.
# house: no-district — a replay id is unique over all districts; the door checks whose it is
_GET: Final = "SELECT * FROM sis_ingest.replay WHERE replay_id = $1"

# Purpose: the replay to work on; those that could not go on come last. Rows: 0 or 1. Small table.
# house: no-district — one worker serves every district
_OPEN: Final = """
SELECT * FROM sis_ingest.replay WHERE state IN ('waiting', 'running')
ORDER BY array_position($1::uuid[], replay_id) NULLS FIRST, asked_at LIMIT 1
"""


class PostgresReplays:
    """`ports.Replays`."""

    def __init__(self, driver: asyncpg.Connection, seal: Seal) -> None:
        self._driver = driver
        self._seal = seal

    async def add(self, replay: Replay, selection: Selection) -> int:
        """See the port."""
        names = (replay.district_id, replay.replay_id)
        await self._driver.execute(
            _ADD,
            *names,
            replay.correlation_id,
            replay.requested_by,
            replay.dry_run,
            replay.as_of,
            replay.state,
            replay.asked_at,
        )
        status = await self._driver.execute(
            _FILL,
            *names,
            list(selection.delivery_ids),
            selection.source_id,
            selection.after,
            selection.until,
        )
        return int(status.rpartition(" ")[2])

    async def known(self, district_id: str, delivery_ids: Sequence[str]) -> frozenset[str]:
        """See the port."""
        rows = await self._driver.fetch(_KNOWN, district_id, list(delivery_ids))
        return frozenset(row["delivery_id"] for row in rows)

    async def save(self, replay: Replay) -> None:
        """See the port."""
        await self._driver.execute(
            _SAVE,
            replay.district_id,
            replay.replay_id,
            replay.state,
            replay.started_at,
            replay.finished_at,
            replay.total,
            replay.reason,
            orjson.dumps(replay.outcomes).decode(),
        )

    async def next(self, replay: Replay, *, limit: int) -> Sequence[Said]:
        """See the port."""
        rows = await self._driver.fetch(_NEXT, replay.district_id, replay.replay_id, limit)
        return [await self._said(replay, row) for row in rows]

    async def done(self, replay: Replay, place: int | None) -> None:
        """See the port."""
        await self._driver.execute(_DONE, replay.district_id, replay.replay_id, place)

    async def _said(self, replay: Replay, row: Any) -> Said:
        delivery_id = str(row["delivery_id"])
        sealed = row["body"]
        run = None
        if row["kind"] == "snapshot":
            run = await self._driver.fetchrow(
                _RUNS, replay.district_id, row["delivery_id"], replay.replay_id
            )
        return Said(
            place=row["place"],
            kind=row["kind"],
            delivery=Delivery(
                delivery_id=delivery_id,
                place=Place(district_id=replay.district_id, source_id=row["source_id"]),
                external_id=row["external_id"],
                correlation_id=row["correlation_id"],
                received_at=row["received_at"],
                headers=orjson.loads(row["headers"]),
                body=None if sealed is None else self._seal.open(sealed, bound_to=delivery_id),
            ),
            purged=row["purged"],
            run=None if run is None else to_run(run),
        )


class PostgresReplayDesk:
    """`ports.ReplayDesk`, on the raw read pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, replay_id: str) -> Replay | None:
        """See the port."""
        try:
            wanted = uuid.UUID(replay_id)
        except ValueError:
            return None
        row = await (await self._database.pool()).fetchrow(_GET, wanted)
        return None if row is None else _replay(row)

    async def open(self, last: Sequence[str]) -> Replay | None:
        """See the port."""
        row = await (await self._database.pool()).fetchrow(_OPEN, list(last))
        return None if row is None else _replay(row)


def _replay(row: Any) -> Replay:
    return Replay(
        replay_id=str(row["replay_id"]),
        district_id=row["district_id"],
        correlation_id=row["correlation_id"],
        requested_by=row["requested_by"],
        state=row["state"],
        asked_at=row["asked_at"],
        dry_run=row["dry_run"],
        as_of=row["as_of"],
        total=row["total"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        reason=row["reason"],
        outcomes=orjson.loads(row["outcomes"]),
    )
