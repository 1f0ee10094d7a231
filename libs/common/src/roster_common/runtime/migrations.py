"""Runs a service's migrations: one at a time over all processes, with lock and statement time-outs.

Each package holds `versions/NNNN_pre_words.py` or `NNNN_post_words.py`; the environment and the
template are shared. `python -m roster_common.runtime.migrations PACKAGE=SCHEMA …` runs several.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import resources
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine

from roster_common.errors import Fatal

VERSION_TABLE = "schema_version"
LOCK_WAIT_S = 120
_T = TypeVar("_T")


async def migrate(
    database_url: str,
    *,
    schema: str,
    script_package: str,
    lock_timeout_s: float = 4.0,
    statement_timeout_s: float = 300.0,
) -> None:
    """Bring `schema` to the newest version of `script_package`. Commits per migration.

    Several processes may call it at once: an advisory lock lets one work and the others find
    nothing left to do. Raises what the database raises; a failed migration leaves the last good
    version.
    """
    config = _config(script_package)

    def work(connection: Connection) -> None:
        _set(connection, "lock_timeout", LOCK_WAIT_S * 1000)
        connection.execute(text("SELECT pg_advisory_lock(hashtext(:name))"), _lock(schema))
        try:
            _set(connection, "lock_timeout", int(lock_timeout_s * 1000))
            _set(connection, "statement_timeout", int(statement_timeout_s * 1000))
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
            connection.commit()
            config.attributes.update(connection=connection, schema=schema)
            command.upgrade(config, "head")
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(hashtext(:name))"), _lock(schema))
            connection.commit()

    await _on_connection(database_url, work)


async def current(database_url: str, *, schema: str) -> str | None:
    """Newest migration applied to `schema`, or None."""

    def ask(connection: Connection) -> str | None:
        context = MigrationContext.configure(
            connection,
            opts={"version_table": VERSION_TABLE, "version_table_schema": schema},
        )
        with suppress(ProgrammingError):
            return context.get_current_revision()
        return None

    return await _on_connection(database_url, ask)


async def pending(database_url: str, *, schema: str, script_package: str) -> tuple[str, ...]:
    """Migrations of `script_package` not applied yet, oldest first."""
    at = await current(database_url, schema=schema)
    script = ScriptDirectory.from_config(_config(script_package))
    newest_first = [revision.revision for revision in script.walk_revisions()]
    missing = newest_first[: newest_first.index(at)] if at in newest_first else newest_first
    return tuple(reversed(missing))


def _config(script_package: str) -> Config:
    environment = resources.files("roster_common.runtime") / "migration_env"
    versions = resources.files(script_package) / "versions"
    config = Config()
    config.set_main_option("script_location", str(environment))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "os")
    return config


def _lock(schema: str) -> dict[str, str]:
    return {"name": f"homeroom.migrate.{schema}"}


def _set(connection: Connection, name: str, value_ms: int) -> None:
    connection.execute(
        text("SELECT set_config(:name, :value, false)"), {"name": name, "value": str(value_ms)}
    )


async def _on_connection(database_url: str, work: Callable[[Connection], _T]) -> _T:
    engine = create_async_engine(
        make_url(database_url).set(drivername="postgresql+asyncpg"),
        connect_args={"timeout": 10, "server_settings": {"application_name": "homeroom-migrate"}},
    )
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


async def _main(arguments: list[str]) -> None:
    url = os.environ.get("HOMEROOM_DATABASE_URL")
    if not url:
        raise Fatal("HOMEROOM_DATABASE_URL is missing")
    for argument in arguments:
        package, _, schema = argument.partition("=")
        await migrate(url, schema=schema, script_package=package)
        sys.stdout.write(f"{schema}: {await current(url, schema=schema)}\n")


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
