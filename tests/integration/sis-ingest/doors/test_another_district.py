"""A district that the planner has not heard of is looked up by whole keys, as any other.

A table of one district is counted; the next district comes before it is counted again, and until
then no figure tells of it. Asked of the planner, because a time would tell only of large tables.
"""

import asyncpg

from sis_ingest.adapters.postgres import crosswalk, suggestions

KNOWN = 10_000
FILLED = (
    """
    INSERT INTO sis_ingest.crosswalk (district_id, source_id, entity, external_id, entity_id,
        match_rule, decided_by, valid_from)
    SELECT 'known', 'known', 'user', 'x' || n, 'x' || n, 'id', 'rule', now()
    FROM generate_series(1, $1::int) AS n
    """,
    """
    INSERT INTO sis_ingest.resolved_record (district_id, entity, entity_id, data, content_hash,
        deleted, revision, correlation_id, changed_at, name_key)
    SELECT 'known', 'user', 'x' || n, '{}', ''::bytea, false, 1, 'c', now(), 'name ' || n
    FROM generate_series(1, $1::int) AS n
    """,
)
IDS = [f"u{n}" for n in range(1_000)]


async def plan(connection: asyncpg.Connection, statement: str, *values: object) -> str:
    """The plan of a statement, its lines in one text."""
    rows = await connection.fetch(f"EXPLAIN {statement}", *values)
    return "\n".join(row[0] for row in rows)


async def test_a_new_district_is_looked_up_by_whole_keys(ingest_url: str) -> None:
    connection = await asyncpg.connect(ingest_url)
    for statement in FILLED:
        await connection.execute(statement, KNOWN)
    await connection.execute("ANALYZE sis_ingest.crosswalk, sis_ingest.resolved_record")

    find = await plan(connection, crosswalk._FIND, "new", "new", ["user"] * len(IDS), IDS)
    same = await plan(connection, suggestions._SAME, "new", IDS)
    await connection.close()

    assert "(external_id = k.external_id))" in find
    assert "Filter" not in find
    for key in ("entity_id = k.entity_id", "name_key = me.name_key", "entity_id = o.entity_id"):
        assert any(key in line for line in same.splitlines() if "Index Cond" in line), same
