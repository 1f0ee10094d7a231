"""Keeps one line per commit and correlation id, and removes lines past their time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from roster_common.runtime.database import Database
from roster_publisher.adapters.postgres.queue import rows_in
from roster_publisher.domain.causes import CauseLine

KEEP_CAUSES: Final = timedelta(days=7)
_ROWS_AT_ONCE: Final = 20_000

# A row per correlation id and kind of a commit; turns of one revision add up.
_KEEP: Final = """
    INSERT INTO roster_publisher.cause AS c
        (district_id, revision, at, correlation_id, what, detail, records, entity, sourced_id)
    SELECT $1, $2, $3, * FROM
        unnest($4::text[], $5::text[], $6::text[], $7::int[], $8::text[], $9::text[])
    ON CONFLICT (district_id, correlation_id, what, detail, revision) DO UPDATE SET
        records = c.records + excluded.records, at = excluded.at
"""

# Bounded, so that one turn never holds long; index on `at`.
# house: no-district — age alone decides, in every district alike
_PURGE: Final = f"""
    DELETE FROM roster_publisher.cause WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM roster_publisher.cause WHERE at < $1 LIMIT {_ROWS_AT_ONCE}))
"""


async def keep_causes(
    driver: asyncpg.Connection,
    district_id: str,
    lines: Sequence[CauseLine],
    *,
    revision: int,
    at: datetime,
) -> None:
    """Write the lines of one commit, in their order. Does not commit."""
    if not lines:
        return
    await driver.execute(
        _KEEP,
        district_id,
        revision,
        at,
        [line.correlation_id for line in lines],
        [line.what for line in lines],
        [line.detail for line in lines],
        [line.records for line in lines],
        [line.first.entity for line in lines],
        [line.first.sourced_id for line in lines],
    )


async def purge_causes(database: Database, *, now: datetime) -> int:
    """Delete lines older than KEEP_CAUSES in bounded turns, each committed; returns how many."""
    total = 0
    while True:
        async with database.begin() as tx:
            deleted = rows_in(await (await tx.driver()).execute(_PURGE, now - KEEP_CAUSES))
        if not deleted:
            return total
        total += deleted
