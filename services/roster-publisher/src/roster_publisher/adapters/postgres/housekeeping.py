"""`Housekeeping` and `StatusReads`: removes what is past its time, and counts for operators."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from roster_common.runtime.database import Database
from roster_publisher.adapters.postgres.causes import purge_causes
from roster_publisher.adapters.postgres.queue import rows_in
from roster_publisher.adapters.postgres.tombstones import purge_tombstones
from roster_publisher.ports.operating import StatusReport

_ROWS_AT_ONCE: Final = 20_000

# First the floor goes up, so that no new pull starts below it. A row per district.
_RAISE_FLOOR: Final = """
    UPDATE roster_publisher.district_revision d SET history_floor = h.floor
    FROM (SELECT district_id, max(rev_to) AS floor FROM roster_publisher.object_history
          WHERE archived_at < $1 GROUP BY district_id) AS h
    WHERE d.district_id = h.district_id AND d.history_floor < h.floor
"""

# Bounded, so that one turn never holds long; index on archived_at.
# house: no-district — age alone decides, in every district alike
_PURGE_HISTORY: Final = f"""
    DELETE FROM roster_publisher.object_history WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM roster_publisher.object_history WHERE archived_at < $1
        LIMIT {_ROWS_AT_ONCE}))
"""

# What is gone from every view since as long as history is kept; partial indexes.
# house: no-district — age alone decides, in every district alike
_PURGE_LAST_SEEN: Final = """
    DELETE FROM roster_publisher.last_seen WHERE gone_rev > 0 AND gone_at < $1
"""
# A record that is still somewhere keeps where it was: since when it is in a view depends on it.
# house: no-district — age alone decides, in every district alike
_PURGE_MEMBERS: Final = """
    DELETE FROM roster_publisher.scope_member m WHERE until_rev > 0 AND until_stamp < $1
    AND NOT EXISTS (
        SELECT 1 FROM roster_publisher.scope_member k
        WHERE k.district_id = m.district_id AND k.entity = m.entity
          AND k.sourced_id = m.sourced_id AND k.until_rev IS NULL)
"""

# house: no-district — age alone decides, in every district alike
_PURGE_PARTS: Final = "DELETE FROM roster_publisher.gone_part WHERE stamp < $1"
# house: no-district — age alone decides, in every district alike
_PURGE_TOKENS: Final = "DELETE FROM roster_publisher.access_token WHERE expires_at < $1"
# house: no-district — age alone decides, in every district alike
_PURGE_PULLS: Final = "DELETE FROM roster_publisher.pull WHERE expires_at < $1"

# Bounded, and found by the order of time.
# house: no-district — age alone decides, in every district alike
_PURGE_AUDIT: Final = f"""
    DELETE FROM roster_publisher.pull_audit WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM roster_publisher.pull_audit WHERE at < $1 LIMIT {_ROWS_AT_ONCE}))
"""

# house: no-district — age alone decides, in every district alike
_PURGE_NONCES: Final = f"""
    DELETE FROM roster_publisher.nonce WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM roster_publisher.nonce WHERE expires_at < $1 LIMIT {_ROWS_AT_ONCE}))
"""

# Counts of one district; reads its part of the primary key.
_OBJECTS: Final = """
    SELECT entity, count(*) FILTER (WHERE shown AND status = 'active') AS active,
           count(*) FILTER (WHERE shown AND status = 'tobedeleted') AS tobedeleted,
           count(*) FILTER (WHERE NOT shown) AS hidden
    FROM roster_publisher.object WHERE district_id = $1 GROUP BY entity ORDER BY entity
"""

_COUNTS: Final = """
    SELECT coalesce(max(d.revision), 0) AS revision, max(d.stamp) AS stamp,
           (SELECT count(*) FROM roster_publisher.dangling WHERE district_id = $1) AS dangling,
           (SELECT count(*) FROM roster_publisher.dirty_person WHERE district_id = $1) AS people,
           (SELECT count(*) FROM roster_publisher.dirty_class WHERE district_id = $1) AS classes
    FROM roster_publisher.district_revision d WHERE d.district_id = $1
"""


class PostgresHousekeeping:
    """Each statement commits by itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def purge(
        self,
        *,
        now: datetime,
        keep_history: timedelta,
        keep_tombstones: timedelta,
        keep_audit: timedelta,
    ) -> Mapping[str, int]:
        """Raise each district's history floor, then delete in bounded turns; take old tombstones
        out of the roster last, because that is the work that may fail for one district.
        """
        cutoff = now - keep_history
        async with self._database.begin() as tx:
            await (await tx.driver()).execute(_RAISE_FLOOR, cutoff)
        forgotten = cutoff - keep_tombstones
        return {
            "last_seen": await self._once(_PURGE_LAST_SEEN, cutoff),
            "scope_member": await self._once(_PURGE_MEMBERS, forgotten),
            "gone_part": await self._once(_PURGE_PARTS, forgotten),
            "object_history": await self._drain(_PURGE_HISTORY, cutoff),
            "access_token": await self._once(_PURGE_TOKENS, now),
            "pull": await self._once(_PURGE_PULLS, now),
            "pull_audit": await self._drain(_PURGE_AUDIT, now - keep_audit),
            "nonce": await self._drain(_PURGE_NONCES, now),
            "cause": await purge_causes(self._database, now=now),
            "tombstones": await purge_tombstones(self._database, now=now, keep=keep_tombstones),
        }

    async def _drain(self, statement: str, before: datetime) -> int:
        total = 0
        while deleted := await self._once(statement, before):
            total += deleted
        return total

    async def _once(self, statement: str, before: datetime) -> int:
        async with self._database.begin() as tx:
            return rows_in(await (await tx.driver()).execute(statement, before))


class PostgresStatus:
    """Counts of a district as they stand."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(self, district_id: str) -> StatusReport:
        """Counts of one district; zeros for one never heard of."""
        async with self._database.begin() as tx:
            driver = await tx.driver()
            objects = await driver.fetch(_OBJECTS, district_id)
            counts = await driver.fetchrow(_COUNTS, district_id)
        assert counts is not None  # noqa: S101 - an aggregate without GROUP BY gives a row
        return StatusReport(
            district_id=district_id,
            revision=counts["revision"],
            stamp=counts["stamp"],
            objects={
                row["entity"]: {
                    "active": row["active"],
                    "tobedeleted": row["tobedeleted"],
                    "hidden": row["hidden"],
                }
                for row in objects
            },
            dangling=counts["dangling"],
            dirty_people=counts["people"],
            dirty_classes=counts["classes"],
        )
