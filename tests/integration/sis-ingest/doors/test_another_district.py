"""What the planner has not heard of is looked up by whole keys, as all else: a district, its people.

A table of one district is counted; the next district comes before it is counted again, and until
then no figure tells of it. In a first load the people come before anybody has counted them. Asked
of the planner, because a time would tell only of large tables.
"""

import asyncpg
import pytest

from sis_ingest.adapters.postgres import crosswalk, suggestions

KNOWN = 10_000
CLASSES, PEOPLE = 600, 2_000
FILLED = (
    """
    INSERT INTO sis_ingest.crosswalk (district_id, source_id, entity, external_id, entity_id,
        match_rule, decided_by, valid_from)
    SELECT $2, 'known', $3, 'x' || n, 'x' || n, 'id', 'rule', now()
    FROM generate_series(1, $1::int) AS n
    """,
    """
    INSERT INTO sis_ingest.resolved_record (district_id, entity, entity_id, data, content_hash,
        deleted, revision, correlation_id, changed_at, name_key)
    SELECT $2, $3, 'x' || n, '{}', ''::bytea, false, 1, 'c', now(),
           CASE $3 WHEN 'user' THEN 'name ' || n END
    FROM generate_series(1, $1::int) AS n
    """,
)
COUNT = "ANALYZE sis_ingest.crosswalk, sis_ingest.resolved_record"
IDS = [f"u{n}" for n in range(1_000)]
OF_PEOPLE = ("entity_id = k.entity_id", "name_key = me.name_key", "entity_id = o.entity_id")


async def plan(connection: asyncpg.Connection, statement: str, *values: object) -> str:
    """The plan of a statement, its lines in one text."""
    rows = await connection.fetch(f"EXPLAIN {statement}", *values)
    return "\n".join(row[0] for row in rows)


async def fill(connection: asyncpg.Connection, rows: int, district: str, entity: str) -> None:
    """Records and their ids, which nobody counts by themselves."""
    for statement in FILLED:
        await connection.execute(statement, rows, district, entity)


async def test_a_new_district_is_looked_up_by_whole_keys(ingest_url: str) -> None:
    connection = await asyncpg.connect(ingest_url)
    await fill(connection, KNOWN, "known", "user")
    await connection.execute(COUNT)

    find = await plan(connection, crosswalk._FIND, "new", "new", ["user"] * len(IDS), IDS)
    same = await plan(connection, suggestions._SAME, "new", IDS)
    await connection.close()

    assert "(external_id = k.external_id))" in find
    assert "Filter" not in find
    for key in OF_PEOPLE:
        assert any(key in line for line in same.splitlines() if "Index Cond" in line), same


@pytest.mark.parametrize("counted", [True, False])
async def test_people_whom_nobody_has_counted_yet_are_looked_up_by_whole_keys(
    ingest_url: str, counted: bool
) -> None:
    connection = await asyncpg.connect(ingest_url)
    for table in ("crosswalk", "resolved_record"):
        await connection.execute(f"ALTER TABLE sis_ingest.{table} SET (autovacuum_enabled = off)")
    await fill(connection, CLASSES, "new", "class")
    if counted:
        await connection.execute(COUNT)
    await fill(connection, PEOPLE, "new", "user")

    same = await plan(connection, suggestions._SAME, "new", IDS)
    await connection.close()

    for key in OF_PEOPLE:
        assert any(key in line for line in same.splitlines() if "Index Cond" in line), same
