"""Takes tombstones out of the roster once their published retention is over.

A purge is a publishing commit: it takes a revision, and what it removes goes to history, so pulls
that are open go on to see it. A tombstone that something still points at stays until that is gone.
What was derived of a purged record, and names allocated to a purged person, go with it.
Statements are sets; every one filters by district first. Source: blueprint, invariant 5.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from roster_common.runtime.database import Database
from roster_common.runtime.lifecycle import go_on_without
from roster_publisher.adapters.postgres.history import advance, archive
from roster_publisher.domain.publication import next_stamp
from roster_publisher.domain.records import Key
from roster_publisher.domain.retention import releasable

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
# Nothing points at these, so they go in bounded turns.
_LEAVES: Final = f"{_OLD} AND o.entity IN ('enrollment', 'demographics') LIMIT {_AT_ONCE}"
_TARGETS: Final = f"{_OLD} AND o.entity NOT IN ('enrollment', 'demographics')"
# Who points at the ids. Reads the district through, and only when something may go.
_POINTERS: Final = """
    SELECT p.entity, p.sourced_id, t.id FROM roster_publisher.object p
    CROSS JOIN LATERAL (
        SELECT q #>> '{}' AS id FROM jsonb_path_query(p.record, 'lax $.*.sourcedId') AS q
        UNION
        SELECT q #>> '{}' FROM jsonb_path_query(p.record, 'lax $.roles.org.sourcedId') AS q
        UNION
        SELECT p.sourced_id WHERE p.entity = 'demographics') AS t
    WHERE p.district_id = $1 AND t.id = ANY($2::text[])
"""

_KEYS: Final = """
    SELECT t.entity, t.sourced_id COLLATE "C" AS sourced_id
    FROM unnest($2::text[], $3::text[]) AS t(entity, sourced_id)
"""
_CLOSE: Final = f"""
    WITH w AS ({_KEYS})
    UPDATE roster_publisher.scope_member m SET until_rev = $4, until_stamp = $5
    FROM w WHERE m.district_id = $1 AND m.entity = w.entity AND m.sourced_id = w.sourced_id
      AND m.until_rev IS NULL
"""
_DELETE: Final = f"""
    WITH w AS ({_KEYS}), gone AS (
        DELETE FROM roster_publisher.object o USING w
        WHERE o.district_id = $1 AND o.entity = w.entity AND o.sourced_id = w.sourced_id
        RETURNING o.stamp)
    SELECT max(stamp) FROM gone
"""
_FORGET: Final = f"""
    WITH w AS ({_KEYS})
    DELETE FROM roster_publisher.dangling d USING w
    WHERE d.district_id = $1 AND d.from_entity = w.entity AND d.from_id = w.sourced_id
"""

# What stands beside a purged user or class. Primary keys.
_BESIDE: Final = (
    ("user", "DELETE FROM roster_publisher.allocated_name WHERE district_id = $1 AND person_id"),
    ("user", "DELETE FROM roster_publisher.person_state WHERE district_id = $1 AND person_id"),
    ("user", "DELETE FROM roster_publisher.gone_part WHERE district_id = $1 AND user_id"),
    ("class", "DELETE FROM roster_publisher.class_state WHERE district_id = $1 AND class_id"),
)

# What scopes saw last, out of the view from this commit on.
_LAST_SEEN: Final = """
    WITH gone AS (
        UPDATE roster_publisher.last_seen SET gone_rev = $3, gone_at = $4
        WHERE district_id = $1 AND stamp < $2 AND gone_rev IS NULL RETURNING stamp)
    SELECT count(*) AS rows, max(stamp) AS stamp FROM gone
"""

# Who read the change feed up to an earlier stamp has missed a deletion. One row.
_UNTOLD: Final = """
    UPDATE roster_publisher.district_revision
    SET purged_stamp = greatest(purged_stamp, $2, $3) WHERE district_id = $1
"""


async def purge_tombstones(database: Database, *, now: datetime, keep: timedelta) -> int:
    """Remove what became a tombstone before `now - keep`; returns how many. Commits per district
    and bounded turn; may run any time, twice. A district that fails keeps no other one waiting.
    """
    total = 0
    async with database.begin() as tx:
        districts = [row[0] for row in await (await tx.driver()).fetch(_DISTRICTS)]
    for district_id in districts:
        try:
            while removed := await _turn(database, district_id, now=now, before=now - keep):
                total += removed
        except Exception as error:  # noqa: BLE001 - counted and logged; the next purge tries again
            go_on_without("purge", error, district=district_id)
    return total


async def _turn(database: Database, district_id: str, *, now: datetime, before: datetime) -> int:
    async with database.begin() as tx:
        driver: asyncpg.Connection = await tx.driver()
        at = await driver.fetchrow(_LOCK, district_id)
        assert at is not None  # noqa: S101 - a district's row is never deleted
        revision, stamp = at["revision"] + 1, next_stamp(now, at["stamp"])
        keys = await _old(driver, district_id, before)
        last = None
        if keys:
            last = await _remove(driver, district_id, keys, revision=revision, stamp=stamp)
        gone = await driver.fetchrow(_LAST_SEEN, district_id, before, revision, stamp)
        assert gone is not None  # noqa: S101 - an aggregate without GROUP BY gives a row
        removed = len(keys) + int(gone["rows"])
        if removed:
            await driver.execute(_UNTOLD, district_id, last, gone["stamp"])
            await advance(driver, district_id, revision=revision, stamp=stamp)
    return removed


async def _old(driver: asyncpg.Connection, district_id: str, before: datetime) -> Sequence[Key]:
    """What may go in this turn."""
    leaves = await driver.fetch(_LEAVES, district_id, before)
    if len(leaves) == _AT_ONCE:
        return [Key(*row) for row in leaves]
    old = [Key(*row) for row in await driver.fetch(_TARGETS, district_id, before)]
    going = {Key(*row) for row in leaves} | set(old)
    ids = sorted({key.sourced_id for key in old})
    rows = await driver.fetch(_POINTERS, district_id, ids) if ids else []
    return sorted(releasable(going, ((Key(row[0], row[1]), row[2]) for row in rows)))


async def _remove(
    driver: asyncpg.Connection,
    district_id: str,
    keys: Sequence[Key],
    *,
    revision: int,
    stamp: datetime,
) -> datetime | None:
    """The newest stamp among what was removed."""
    arrays = [key.entity for key in keys], [key.sourced_id for key in keys]
    await archive(driver, district_id, *arrays, revision=revision, stamp=stamp)
    await driver.execute(_CLOSE, district_id, *arrays, revision, stamp)
    last: datetime | None = await driver.fetchval(_DELETE, district_id, *arrays)
    await driver.execute(_FORGET, district_id, *arrays)
    for entity, statement in _BESIDE:
        ids = [key.sourced_id for key in keys if key.entity == entity]
        await driver.execute(f"{statement} = ANY($2::text[])", district_id, ids)
    return last
