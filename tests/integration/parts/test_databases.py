"""The session's PostgreSQL gives every test a database of its own."""

import asyncpg

from homeroom.parts import postgres_admin
from tests.support.databases import Databases


async def test_a_fresh_database_is_empty_and_speaks_utf8(database_url: str) -> None:
    connection = await asyncpg.connect(database_url, timeout=5)
    try:
        tables = await connection.fetchval(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        )
        upper = await connection.fetchval("SELECT upper('é')")
    finally:
        await connection.close(timeout=5)

    assert tables == 0
    assert upper == "É"


def test_a_template_is_prepared_once_and_copied_each_time(databases: Databases) -> None:
    prepared: list[str] = []

    def prepare(url: str) -> None:
        prepared.append(url)
        postgres_admin.execute(url, "CREATE TABLE marked (id int)")

    first = databases.fresh(template=databases.template("marked", prepare=prepare))
    second = databases.fresh(template=databases.template("marked", prepare=prepare))

    assert len(prepared) == 1
    assert first != second
    postgres_admin.execute(second, "INSERT INTO marked VALUES (1)")
    databases.drop(first)
    databases.drop(second)
