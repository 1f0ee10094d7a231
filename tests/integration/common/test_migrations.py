"""Migrations on a real PostgreSQL: in turns, within bounds, each once, and telling where they stand."""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from roster_common.errors import Fatal, Retriable
from roster_common.runtime.migrations import current, migrate, new_migration, pending

FILE = '''"""{number}."""

from alembic import op

revision = "{number}"
down_revision = {before}
branch_labels = None
depends_on = None


def upgrade() -> None:
    {body}
'''
_NUMBERS = count(1)


class Package:
    """A package of migrations made for one test."""

    def __init__(self, folder: Path) -> None:
        self.name = f"made_migrations_{next(_NUMBERS)}"
        self.versions = folder / self.name / "versions"
        self.versions.mkdir(parents=True)
        (folder / self.name / "__init__.py").touch()

    def add(self, number: int, body: str, *, words: str = "pre_words") -> None:
        before = repr(f"{number - 1:04d}") if number > 1 else None
        text = FILE.format(number=f"{number:04d}", before=before, body=body)
        (self.versions / f"{number:04d}_{words}.py").write_text(text, encoding="utf-8")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    monkeypatch.syspath_prepend(tmp_path)
    return Package(tmp_path)


async def _ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(question, timeout=10)
    finally:
        await connection.close(timeout=5)


async def test_migrations_run_in_order_and_only_once(database_url, package):
    package.add(1, 'op.execute("CREATE TABLE made.a (x int)")')
    package.add(2, 'op.execute("INSERT INTO made.a VALUES (1)")')

    first = await migrate(database_url, schema="made", script_package=package.name)
    second = await migrate(database_url, schema="made", script_package=package.name)

    assert (first.applied, first.current) == (("0001", "0002"), "0002")
    assert (second.applied, second.current) == ((), "0002")
    assert await _ask(database_url, "SELECT count(*) FROM made.a") == 1


async def test_only_what_is_new_runs_later(database_url, package):
    package.add(1, 'op.execute("CREATE TABLE made.a (x int)")')
    await migrate(database_url, schema="made", script_package=package.name)
    package.add(2, 'op.execute("CREATE TABLE made.b (x int)")', words="post_more")

    waiting = await pending(database_url, schema="made", script_package=package.name)
    done = await migrate(database_url, schema="made", script_package=package.name)

    assert waiting == ["0002"]
    assert done.applied == ("0002",)
    assert await pending(database_url, schema="made", script_package=package.name) == []


async def test_an_untouched_database_stands_nowhere_and_all_is_pending(database_url, package):
    package.add(1, 'op.execute("SELECT 1")')

    assert await current(database_url, schema="made") is None
    assert await pending(database_url, schema="made", script_package=package.name) == ["0001"]


async def test_each_schema_keeps_its_own_account(database_url, package):
    package.add(1, 'op.execute("CREATE TABLE a (x int)")')

    await migrate(database_url, schema="one", script_package=package.name)
    await migrate(database_url, schema="two", script_package=package.name)

    tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'a' AND schemaname IN ('one', 'two')"
    assert await _ask(database_url, tables) == 2
    assert await current(database_url, schema="one") == "0001"


async def test_processes_that_start_at_once_take_turns(database_url, package, tmp_path):
    package.add(1, 'op.execute("CREATE TABLE made.a AS SELECT 1 AS x FROM pg_sleep(0.3)")')
    command = [
        "-m",
        "roster_common.runtime.migrations",
        f"made={package.name}",
    ]
    started = [await _process(command, database_url, tmp_path) for _ in range(3)]

    async with asyncio.timeout(60):
        ended = [await process.communicate() for process in started]

    assert [process.returncode for process in started] == [0, 0, 0], ended
    said = sorted(
        line for out, _ in ended for line in out.decode().splitlines() if "stands" in line
    )
    assert said == [
        "made: 0 applied, stands at 0001",
        "made: 0 applied, stands at 0001",
        "made: 1 applied, stands at 0001",
    ]


async def _process(command: list[str], url: str, folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env={**os.environ, "HOMEROOM_DATABASE_URL": url, "PYTHONPATH": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_migration_that_fails_leaves_the_last_good_one(database_url, package):
    package.add(1, 'op.execute("CREATE TABLE made.a (x int)")')
    package.add(2, 'op.execute("CREATE TABLE made.b (x int)"); op.execute("nonsense")')

    with pytest.raises(Exception, match="syntax error"):
        await migrate(database_url, schema="made", script_package=package.name)

    assert await current(database_url, schema="made") == "0001"
    assert await _ask(database_url, "SELECT to_regclass('made.b')") is None


async def test_after_a_failure_the_next_run_can_go_on(database_url, package):
    package.add(1, 'op.execute("nonsense")')
    with pytest.raises(Exception, match="syntax error"):
        await migrate(database_url, schema="made", script_package=package.name)
    package.add(1, 'op.execute("CREATE TABLE made.a (x int)")')
    fresh = Package(package.versions.parents[1])
    fresh.add(1, 'op.execute("CREATE TABLE made.a (x int)")')

    done = await migrate(database_url, schema="made", script_package=fresh.name)

    assert done.current == "0001"


async def test_an_index_can_be_made_concurrently(database_url, package):
    package.add(1, 'op.execute("CREATE TABLE made.a (x int)")')
    package.add(
        2,
        "with op.get_context().autocommit_block():\n"
        '        op.execute("CREATE INDEX CONCURRENTLY a_x ON made.a (x)")',
    )

    await migrate(database_url, schema="made", script_package=package.name)

    assert await _ask(
        database_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'made.a_x'::regclass"
    )


async def test_a_busy_table_is_not_waited_for_in_front_of_everyone(database_url, package):
    package.add(1, 'op.execute("CREATE TABLE made.a (x int)")')
    await migrate(database_url, schema="made", script_package=package.name)
    package.add(2, 'op.execute("ALTER TABLE made.a ADD COLUMN y int")')
    holder = await asyncpg.connect(database_url, timeout=10)
    turn = holder.transaction()
    await turn.start()
    await holder.execute("LOCK TABLE made.a IN ACCESS SHARE MODE")

    try:
        with pytest.raises(Retriable):
            await migrate(
                database_url,
                schema="made",
                script_package=package.name,
                lock_timeout_s=0.1,
                attempts=2,
            )
        await turn.rollback()
        done = await migrate(database_url, schema="made", script_package=package.name)
    finally:
        await holder.close(timeout=5)

    assert done.applied == ("0002",)


async def test_a_file_outside_the_naming_rule_is_refused(database_url, package):
    (package.versions / "add_things.py").write_text("", encoding="utf-8")

    with pytest.raises(Fatal, match="NNNN_pre_words"):
        await migrate(database_url, schema="made", script_package=package.name)


@pytest.mark.parametrize("schema", ["", "Made", 'a"; DROP', "1a"])
async def test_a_schema_name_outside_the_rule_is_refused(schema, package):
    with pytest.raises(Fatal):
        await migrate("postgresql:///x", schema=schema, script_package=package.name)


async def test_a_new_migration_file_follows_the_newest_and_runs(database_url, package):
    package.add(1, 'op.execute("SELECT 1")')

    made = new_migration(package.name, schema="made", stage="post", words="drop old column")
    done = await migrate(database_url, schema="made", script_package=package.name)

    assert made.name == "0002_post_drop_old_column.py"
    assert done.applied == ("0001", "0002")


async def test_the_check_says_by_its_exit_code_whether_anything_is_pending(
    database_url, package, tmp_path
):
    package.add(1, 'op.execute("SELECT 1")')
    command = ["-m", "roster_common.runtime.migrations", "--check", f"made={package.name}"]

    before = await (await _process(command, database_url, tmp_path)).wait()
    await migrate(database_url, schema="made", script_package=package.name)
    after = await (await _process(command, database_url, tmp_path)).wait()

    assert (before, after) == (1, 0)
