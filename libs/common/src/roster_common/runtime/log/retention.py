"""Keeps the log small: drops old days, compacts state topics. Loses nothing a group still needs.

A day goes when it is older than its topics' retention and every group that reads the log schema
has passed it; a day held back by a slow group raises an alarm instead (docs/runbooks).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from roster_common.contracts import registry
from roster_common.runtime.database import Database
from roster_common.runtime.failpoints import failpoint
from roster_common.runtime.log.postgres import LOG_ID
from roster_common.runtime.log.topics import ensure_topics
from roster_common.runtime.metrics import metric

logger = structlog.get_logger(__name__)

COMPACT_AFTER = timedelta(minutes=5)
TOMBSTONE_AFTER = timedelta(hours=24)
_COMPACT_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionReport:
    """What one run did: names of days dropped, days held back with the group that holds them,
    rows compacted away, and rows that fell outside the prepared days.
    """

    dropped: tuple[str, ...]
    held_back: tuple[tuple[str, str], ...]
    compacted: int
    unprepared: int


async def run_retention(database: Database, *, now: datetime) -> RetentionReport:
    """Prepare days ahead, drop what may go, compact. Commits in small steps; may run any time."""
    async with database.begin() as tx:
        await ensure_topics(await tx.driver(), now=now)
    dropped, held_back = await _drop_days(database, now=now)
    compacted = await _compact(database, now=now)
    unprepared = await _empty_default(database, now=now)
    metric("retention_blocked_partitions").labels().set(len(held_back))
    for day, group in held_back:
        logger.error("log_day_held_back", day=day, group=group)
    if unprepared:
        logger.error("log_days_were_not_prepared", events_outside=unprepared)
    return RetentionReport(
        dropped=tuple(dropped),
        held_back=tuple(held_back),
        compacted=compacted,
        unprepared=unprepared,
    )


def _oldest_kept(now: datetime) -> datetime:
    """Days that end before this are past retention: one for all, as a day is dropped whole."""
    (days,) = {s.retention_days for s in registry.topics.values() if s.retention_days is not None}
    return now.astimezone(UTC) - timedelta(days=days)


async def _drop_days(
    database: Database, *, now: datetime
) -> tuple[list[str], list[tuple[str, str]]]:
    dropped: list[str] = []
    held_back: list[tuple[str, str]] = []
    async with database.begin() as tx:
        rows = await (await tx.driver()).fetch(
            "SELECT c.relname AS name FROM pg_inherits i"
            " JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'log.event_delete'::regclass AND c.relname ~ '_[0-9]{8}$'"
            " ORDER BY c.relname"
        )
    for name in (row["name"] for row in rows):
        end = datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC) + timedelta(days=1)
        if end > _oldest_kept(now):
            break
        async with database.begin() as tx:
            driver = await tx.driver()
            holder = await _who_needs(driver, name)
            if holder is not None:
                held_back.append((name, holder))
                continue
            failpoint("log.retention.before_drop")
            await driver.execute(f"DROP TABLE log.{name}")
        dropped.append(name)
    return dropped, held_back


async def _who_needs(driver: asyncpg.Connection, day: str) -> str | None:
    """A group reading the log schema that has not passed this day, or None."""
    group = await driver.fetchval(
        f"""
        SELECT p.group_id
        FROM (SELECT topic, partition, max("offset") AS last FROM log.{day} GROUP BY 1, 2) d
        JOIN log.progress p ON p.topic = d.topic AND p.partition = d.partition
        WHERE p.log_id = $1 AND p.next_sequence <= d.last
        ORDER BY p.group_id LIMIT 1
        """,
        LOG_ID,
    )
    return None if group is None else str(group)


async def _compact(database: Database, *, now: datetime) -> int:
    """Delete state events that a newer one of the same key replaced, and old tombstones."""
    removed = 0
    while True:
        async with database.begin() as tx:
            status = await (await tx.driver()).execute(
                """
                DELETE FROM log.event_compact WHERE ctid = ANY (ARRAY(
                    SELECT e.ctid FROM log.event_compact e
                    WHERE (e.appended_at < $1 AND EXISTS (
                            SELECT 1 FROM log.event_compact n
                            WHERE n.topic = e.topic AND n.partition = e.partition
                                AND n.key = e.key AND n."offset" > e."offset"))
                        OR (e.value IS NULL AND e.appended_at < $2 AND NOT EXISTS (
                            SELECT 1 FROM log.progress p
                            WHERE p.topic = e.topic AND p.partition = e.partition
                                AND p.log_id = $4 AND p.next_sequence <= e."offset"))
                    LIMIT $3))
                """,
                now - COMPACT_AFTER,
                now - TOMBSTONE_AFTER,
                _COMPACT_ROWS,
                LOG_ID,
            )
        rows = int(status.split()[-1])
        removed += rows
        if rows < _COMPACT_ROWS:
            return removed


async def _empty_default(database: Database, *, now: datetime) -> int:
    """Count rows outside prepared days, after deleting those past retention."""
    async with database.begin() as tx:
        driver = await tx.driver()
        await driver.execute(
            """
            DELETE FROM log.event_delete_default e WHERE e.appended_at < $1 AND NOT EXISTS (
                SELECT 1 FROM log.progress p WHERE p.topic = e.topic
                    AND p.partition = e.partition AND p.log_id = $2
                    AND p.next_sequence <= e."offset")
            """,
            _oldest_kept(now),
            LOG_ID,
        )
        return int(await driver.fetchval("SELECT count(*) FROM log.event_delete_default"))
