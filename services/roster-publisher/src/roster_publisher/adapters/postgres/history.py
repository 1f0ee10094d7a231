"""What every publishing commit does besides its own write: keeps what it replaces, and moves the
district's revision on. Does not commit.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from roster_publisher.adapters.postgres.columns import PUBLISHED

# Keeps what is about to be replaced, for pulls that began before. A row per shown record; found by
# a LATERAL select with a bound, because the driver keeps plans.
_ARCHIVE: Final = f"""
    INSERT INTO roster_publisher.object_history
        (district_id, entity, sourced_id, stamp, {", ".join(PUBLISHED)},
         rev_from, rev_to, archived_at)
    SELECT o.district_id, o.entity, o.sourced_id, o.stamp,
           {", ".join(f"o.{name}" for name in PUBLISHED)}, o.revision, $4, $5
    FROM unnest($2::text[], $3::text[]) AS w(entity, sourced_id)
    CROSS JOIN LATERAL (
        SELECT * FROM roster_publisher.object
        WHERE district_id = $1 AND entity = w.entity AND sourced_id = w.sourced_id COLLATE "C"
        LIMIT 1) AS o
    WHERE o.shown
"""

_ADVANCE: Final = """
    UPDATE roster_publisher.district_revision SET revision = $2, stamp = $3 WHERE district_id = $1
"""


async def archive(
    driver: asyncpg.Connection,
    district_id: str,
    entities: Sequence[str],
    ids: Sequence[str],
    *,
    revision: int,
    stamp: datetime,
) -> None:
    """Copy the records as they are shown before `revision` to the history; two lists, one order."""
    await driver.execute(_ARCHIVE, district_id, entities, ids, revision, stamp)


async def advance(
    driver: asyncpg.Connection, district_id: str, *, revision: int, stamp: datetime
) -> None:
    """Make `revision` the newest of the district."""
    await driver.execute(_ADVANCE, district_id, revision, stamp)
