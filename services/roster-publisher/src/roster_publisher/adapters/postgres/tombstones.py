"""Takes tombstones out of the roster once their published retention is over.

A purge is a publishing commit: it takes a revision, and what it removes goes to history, so pulls
that are open go on to see it. A tombstone that something still points at stays until that is gone.
Statements are sets; every one filters by district first. Source: blueprint, invariant 5.
"""

from datetime import datetime, timedelta
from typing import Final

import asyncpg

from roster_common.runtime.database import Database
from roster_publisher.adapters.postgres.columns import PUBLISHED
from roster_publisher.adapters.postgres.queue import rows_in
from roster_publisher.domain.publication import next_stamp

_AT_ONCE: Final = 5_000

# A row per district.
# house: no-district — age alone decides, in every district alike
_DISTRICTS: Final = "SELECT district_id FROM roster_publisher.district_revision ORDER BY 1"

_LOCK: Final = """
    SELECT revision, stamp FROM roster_publisher.district_revision WHERE district_id = $1 FOR UPDATE
"""

# Old tombstones that nothing waits to replace; partial index on stamps. Few rows.
_OLD: Final = """
    SELECT o.entity, o.sourced_id FROM roster_publisher.object o
    WHERE o.district_id = $1 AND o.status = 'tobedeleted' AND o.stamp < $2 AND o.pending IS NULL
"""
_LEAVES: Final = f"{_OLD} AND o.entity IN ('enrollment', 'demographics') LIMIT {_AT_ONCE}"
# Everything pointed at is worked out in one reading of the district, and only when it is needed.
_FREE: Final = f"""
    WITH old AS ({_OLD} AND o.entity NOT IN ('enrollment', 'demographics')),
    needed AS MATERIALIZED (
        SELECT q #>> '{{}}' AS id FROM roster_publisher.object p,
               jsonb_path_query(p.record, 'lax $.*.sourcedId') AS q
        WHERE p.district_id = $1 AND EXISTS (SELECT 1 FROM old)
        UNION
        SELECT q #>> '{{}}' FROM roster_publisher.object p,
               jsonb_path_query(p.record, 'lax $.roles.org.sourcedId') AS q
        WHERE p.district_id = $1 AND p.entity = 'user' AND EXISTS (SELECT 1 FROM old)
        UNION
        SELECT p.sourced_id FROM roster_publisher.object p
        WHERE p.district_id = $1 AND p.entity = 'demographics' AND EXISTS (SELECT 1 FROM old))
    SELECT old.entity, old.sourced_id FROM old
    WHERE NOT EXISTS (SELECT 1 FROM needed n WHERE n.id = old.sourced_id) LIMIT {_AT_ONCE}
"""

_KEYS: Final = """
    SELECT t.entity, t.sourced_id COLLATE "C" AS sourced_id
    FROM unnest($2::text[], $3::text[]) AS t(entity, sourced_id)
"""
_ARCHIVE: Final = f"""
    WITH w AS ({_KEYS})
    INSERT INTO roster_publisher.object_history
        (district_id, entity, sourced_id, stamp, {", ".join(PUBLISHED)},
         rev_from, rev_to, archived_at)
    SELECT o.district_id, o.entity, o.sourced_id, o.stamp,
           {", ".join(f"o.{name}" for name in PUBLISHED)}, o.revision, $4, $5
    FROM w JOIN roster_publisher.object o
      ON o.district_id = $1 AND o.entity = w.entity AND o.sourced_id = w.sourced_id AND o.shown
"""
_CLOSE: Final = f"""
    WITH w AS ({_KEYS})
    UPDATE roster_publisher.scope_member m SET until_rev = $4, until_stamp = $5
    FROM w WHERE m.district_id = $1 AND m.entity = w.entity AND m.sourced_id = w.sourced_id
      AND m.until_rev IS NULL
"""
_DELETE: Final = f"""
    WITH w AS ({_KEYS})
    DELETE FROM roster_publisher.object o USING w
    WHERE o.district_id = $1 AND o.entity = w.entity AND o.sourced_id = w.sourced_id
"""
_FORGET: Final = f"""
    WITH w AS ({_KEYS})
    DELETE FROM roster_publisher.dangling d USING w
    WHERE d.district_id = $1 AND d.from_entity = w.entity AND d.from_id = w.sourced_id
"""

# What scopes saw last, out of the view from this commit on.
_LAST_SEEN: Final = """
    UPDATE roster_publisher.last_seen SET gone_rev = $3, gone_at = $4
    WHERE district_id = $1 AND stamp < $2 AND gone_rev IS NULL
"""
_ADVANCE: Final = """
    UPDATE roster_publisher.district_revision SET revision = $2, stamp = $3 WHERE district_id = $1
"""


async def purge_tombstones(database: Database, *, now: datetime, keep: timedelta) -> int:
    """Remove what became a tombstone before `now - keep`; returns how many. Commits per district
    and bounded turn; may run any time, twice.
    """
    total = 0
    async with database.begin() as tx:
        districts = [row[0] for row in await (await tx.driver()).fetch(_DISTRICTS)]
    for district_id in districts:
        while removed := await _turn(database, district_id, now=now, before=now - keep):
            total += removed
    return total


async def _turn(database: Database, district_id: str, *, now: datetime, before: datetime) -> int:
    async with database.begin() as tx:
        driver: asyncpg.Connection = await tx.driver()
        at = await driver.fetchrow(_LOCK, district_id)
        assert at is not None  # noqa: S101 - a district's row is never deleted
        revision, stamp = at["revision"] + 1, next_stamp(now, at["stamp"])
        removed = 0
        for candidates in (_LEAVES, _FREE):
            rows = await driver.fetch(candidates, district_id, before)
            keys = [row[0] for row in rows], [row[1] for row in rows]
            if not rows:
                continue
            for statement in (_ARCHIVE, _CLOSE):
                await driver.execute(statement, district_id, *keys, revision, stamp)
            for statement in (_DELETE, _FORGET):
                await driver.execute(statement, district_id, *keys)
            removed += len(rows)
        gone = await driver.execute(_LAST_SEEN, district_id, before, revision, stamp)
        removed += rows_in(gone)
        if removed:
            await driver.execute(_ADVANCE, district_id, revision, stamp)
    return removed
