"""The planner's figures follow a table that fills faster than autovacuum looks."""

import asyncio

import asyncpg
import pytest

from roster_common.runtime.database import Database, DatabaseAway
from roster_common.runtime.statistics import TARGET, Statistics
from tests.support.databases import Databases
from tests.support.eventually import eventually

# What a driver of ours asks of a table with the district first in its key.
LOOKUP = """
EXPLAIN SELECT t.value FROM unnest(ARRAY(SELECT n::text FROM generate_series(1, 200) n)) AS w(id)
JOIN house.thing t ON t.district_id = 'd' AND t.target_id = 't' AND t.thing_id = w.id
"""


async def reltuples(connection: asyncpg.Connection) -> float:
    return float(
        await connection.fetchval("SELECT reltuples FROM pg_class WHERE relname = 'thing'")
    )


async def test_a_table_that_was_filled_at_once_is_counted_without_autovacuum(
    databases: Databases,
) -> None:
    url = databases.fresh()
    connection = await asyncpg.connect(url)
    database = Database(url, name="statistics")
    count = Statistics(database, "house")
    try:
        await connection.execute(
            """
            CREATE SCHEMA house; CREATE SCHEMA other;
            CREATE TABLE house.thing (district_id text, target_id text, thing_id text, value text,
                PRIMARY KEY (district_id, target_id, thing_id)) WITH (autovacuum_enabled = off);
            CREATE TABLE other.thing_of_others (id int) WITH (autovacuum_enabled = off);
            INSERT INTO other.thing_of_others SELECT generate_series(1, 5000);
            INSERT INTO house.thing SELECT 'd', 't', n::text, n::text FROM generate_series(1, 5000) n;
            """
        )

        async def counted() -> bool:
            await count()
            return await reltuples(connection) == 5_000

        await eventually(counted)
        plan = "\n".join(row[0] for row in await connection.fetch(LOOKUP))
        await connection.execute("INSERT INTO house.thing VALUES ('d', 't', 'more', '')")
        await connection.execute("SELECT pg_stat_force_next_flush()")
        await count()

        assert "thing_id = w.id" in plan.partition("Index Cond")[2] or "Hash Join" in plan
        assert "Join Filter" not in plan
        assert await reltuples(connection) == 5_000
        others = "SELECT reltuples FROM pg_class WHERE relname = 'thing_of_others'"
        assert await connection.fetchval(others) == -1
    finally:
        await database.close()
        await connection.close()


async def test_counting_is_cheap_and_leaves_no_setting_behind(databases: Databases) -> None:
    url = databases.fresh()
    connection = await asyncpg.connect(url)
    database = Database(url, name="statistics", pool_size=1)
    count = Statistics(database, "house")
    try:
        await connection.execute(
            """
            CREATE SCHEMA house; CREATE TABLE house.thing (id int) WITH (autovacuum_enabled = off);
            INSERT INTO house.thing SELECT generate_series(1, 5000);
            SELECT pg_stat_force_next_flush();
            """
        )

        async def buckets() -> int | None:
            await count()
            found = await connection.fetchval(
                "SELECT cardinality(histogram_bounds) FROM pg_stats WHERE tablename = 'thing'"
            )
            return None if found is None else int(found)

        await eventually(buckets)

        assert await buckets() == TARGET + 1
        pool = await database.pool()
        assert await pool.fetchval("SHOW default_statistics_target") == "100"
    finally:
        await database.close()
        await connection.close()


async def test_a_database_that_goes_away_is_something_to_wait_for(databases: Databases) -> None:
    url = databases.fresh()
    database = Database(url, name="statistics-away", lock_timeout_s=30)
    count = Statistics(database, "house")
    # Two: within its transaction the holder sees one frozen copy of who is connected.
    administrator, holder = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        await administrator.execute(
            """
            CREATE SCHEMA house; CREATE TABLE house.thing (id int) WITH (autovacuum_enabled = off);
            INSERT INTO house.thing SELECT generate_series(1, 5000);
            """
        )
        await administrator.execute("SELECT pg_stat_force_next_flush()")
        # Whoever counts the table now waits for it, and is under way when its server hangs up.
        await holder.execute("BEGIN; LOCK TABLE house.thing IN ACCESS EXCLUSIVE MODE")
        counting = asyncio.create_task(_until_away(count))

        async def ended() -> bool:
            return bool(
                await administrator.fetchval(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE application_name = 'statistics-away' AND wait_event_type = 'Lock'
                    """
                )
            )

        await eventually(ended)
        with pytest.raises(DatabaseAway):
            await counting
    finally:
        await holder.close()
        await administrator.close()
        await database.close()


async def _until_away(count: Statistics) -> None:
    """The server tells of changed rows when it likes, so a first look may find none."""
    while True:
        await count()
