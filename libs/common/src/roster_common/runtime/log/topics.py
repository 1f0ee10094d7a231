"""Makes the declared topics exist: counter rows and day partitions. Runs at every start."""

from datetime import UTC, datetime, timedelta

import asyncpg

from roster_common.contracts import registry

DAYS_AHEAD = 7
_NAME = "event_delete_%Y%m%d"


async def ensure_topics(driver: asyncpg.Connection, *, now: datetime) -> None:
    """Create missing counter rows and the day partitions from today on. May run any time, twice.

    A topic's number of partitions never shrinks and must not grow without a plan: a district
    would change its partition (docs/adr/0009).
    """
    lanes = [
        (spec.name, partition)
        for spec in registry.topics.values()
        for partition in range(spec.partitions)
    ]
    await driver.execute(
        """
        INSERT INTO log.head (topic, partition)
        SELECT * FROM unnest($1::text[], $2::int[]) ON CONFLICT DO NOTHING
        """,
        [topic for topic, _ in lanes],
        [partition for _, partition in lanes],
    )
    await ensure_days(driver, now=now)


async def ensure_days(driver: asyncpg.Connection, *, now: datetime) -> None:
    """Create the day partitions from today to `DAYS_AHEAD` days on (UTC days).

    A day whose events already fell into the default partition stays there: nothing is lost, and
    retention empties it by the row.
    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for ahead in range(DAYS_AHEAD + 1):
        begin = today + timedelta(days=ahead)
        end = begin + timedelta(days=1)
        name = begin.strftime(_NAME)
        if await driver.fetchval("SELECT to_regclass($1)", f"log.{name}") is not None:
            continue
        async with driver.transaction():
            await driver.execute("SELECT pg_advisory_xact_lock(hashtext('log.ensure_days'))")
            taken = await driver.fetchval(
                "SELECT EXISTS (SELECT 1 FROM log.event_delete_default"
                " WHERE appended_at >= $1 AND appended_at < $2)",
                begin,
                end,
            )
            if not taken:
                await driver.execute(
                    f"CREATE TABLE IF NOT EXISTS log.{name} PARTITION OF log.event_delete"
                    f" FOR VALUES FROM ('{begin.isoformat()}') TO ('{end.isoformat()}')"
                )
