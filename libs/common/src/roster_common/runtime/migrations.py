"""Brings one schema of the database to the state its package's migrations describe.

Each package keeps only `versions/NNNN_pre_words.py` or `NNNN_post_words.py`; the environment and
the template are shared (migration_env/). `python -m roster_common.runtime.migrations log=… a=…`.
"""

import argparse
import asyncio
import re
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from weakref import WeakKeyDictionary

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from roster_common.errors import Fatal, Retriable
from roster_common.runtime.database import AWAY, DatabaseAway
from roster_common.runtime.database_url import DatabaseUrl
from roster_common.runtime.logging import configure_logging, get_logger
from roster_common.runtime.settings import PREFIX, load

LOCK_TIMEOUT_S = 4.0
STATEMENT_TIMEOUT_S = 300.0
# How long to wait for another process that migrates the same schema.
TURN_TIMEOUT_S = 120.0
ATTEMPTS = 5

_ENVIRONMENT = Path(__file__).parent / "migration_env"
_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FILE = re.compile(r"\d{4}_(pre|post)_[a-z0-9_]+\.py")
_WORDS = re.compile(r"[a-z0-9]+(?: [a-z0-9]+)*")
# Alembic keeps its context in module globals, so one event loop runs one migration at a time.
_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

logger = get_logger(__name__)


class MigrationSettings(BaseSettings):
    """What the command line reads from the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", hide_input_in_errors=True)

    database_url: DatabaseUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """What a run did: revisions applied now, in order, and where the schema stands."""

    schema: str
    applied: tuple[str, ...]
    current: str | None


async def migrate(
    database_url: str,
    *,
    schema: str,
    script_package: str,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
    attempts: int = ATTEMPTS,
) -> Migrated:
    """Apply all pending migrations of `script_package` to `schema`; make the schema if need be.

    May run twice, and in several processes at once: an advisory lock gives turns. Each migration
    commits by itself. A lock that is not to be had within `lock_timeout_s` is tried for `attempts`
    times in all, then Retriable. Raises Fatal for file or schema names outside the rule.
    """
    config = _config(schema, script_package)
    for attempt in range(1, attempts + 1):
        try:
            return await _migrate_once(database_url, config, schema, lock_timeout_s)
        except DBAPIError as error:
            if not _is_lock_timeout(error):
                raise
            logger.warning("migration_lock_busy", schema=schema, attempt=attempt)
            await asyncio.sleep(lock_timeout_s * attempt / 2)
    message = f"migration of {schema}: a lock was busy {attempts} times"
    raise Retriable(message)


async def current(database_url: str, *, schema: str) -> str | None:
    """Give the revision that `schema` stands at, or None when no migration ever ran."""
    _check_schema(schema)
    async with _connection(database_url) as connection:
        return await connection.run_sync(_current, schema)


async def pending(database_url: str, *, schema: str, script_package: str) -> list[str]:
    """Give the revisions not applied yet, oldest first. Reads only."""
    script = ScriptDirectory.from_config(_config(schema, script_package))
    stands_at = await current(database_url, schema=schema)
    found = script.iterate_revisions("heads", stands_at or "base")
    return [revision.revision for revision in found][::-1]


def new_migration(script_package: str, *, schema: str, stage: str, words: str) -> Path:
    """Write an empty migration after the newest one and give its path."""
    if stage not in ("pre", "post") or not _WORDS.fullmatch(words):
        message = "a migration is pre or post, and named by small words"
        raise Fatal(message)
    config = _config(schema, script_package)
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    made = command.revision(config, message=f"{stage} {words}", rev_id=f"{number:04d}")
    if made is None or isinstance(made, list):
        message = "alembic made no single file"
        raise Fatal(message)
    return Path(made.path)


async def _migrate_once(
    database_url: str, config: Config, schema: str, lock_timeout_s: float
) -> Migrated:
    turn = _TURNS.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with turn, _connection(database_url) as connection, _database_turn(connection, schema):
        await connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
        await connection.execute(text(f"SET lock_timeout = '{int(lock_timeout_s * 1_000)}'"))
        await connection.execute(
            text(f"SET statement_timeout = '{int(STATEMENT_TIMEOUT_S * 1_000)}'")
        )
        await connection.execute(text(f'SET search_path = "{schema}", public'))
        await connection.commit()
        before = await connection.run_sync(_current, schema)
        await connection.rollback()
        await connection.run_sync(_upgrade, config)
        after = await connection.run_sync(_current, schema)
    script = ScriptDirectory.from_config(config)
    steps = script.iterate_revisions(after or "base", before or "base")
    applied = tuple(step.revision for step in steps)[::-1]
    logger.info("schema_migrated", schema=schema, applied=applied, current=after)
    return Migrated(schema=schema, applied=applied, current=after)


def _upgrade(connection: Connection, config: Config) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, "heads")


def _current(connection: Connection, schema: str) -> str | None:
    options = {"version_table": "migrations", "version_table_schema": schema}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


@asynccontextmanager
async def _connection(database_url: str) -> AsyncIterator[AsyncConnection]:
    """Open one connection by asyncpg's own reading of the URL (socket folders, sslmode).

    Raises DatabaseAway where nobody answers, Fatal where the server refuses us.
    """

    async def connect() -> asyncpg.Connection:
        """The driver's connection; its errors go on without their text."""
        plain = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", database_url)
        # By class only: the text of a driver's error may hold pieces of the address.
        try:
            return await asyncpg.connect(plain, timeout=10.0, command_timeout=STATEMENT_TIMEOUT_S)
        except AWAY as error:
            raise DatabaseAway(f"the database does not answer: {type(error).__name__}") from None
        except asyncpg.PostgresError as error:
            raise Fatal(f"the database refuses us: {type(error).__name__}") from None

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


@asynccontextmanager
async def _database_turn(connection: AsyncConnection, schema: str) -> AsyncIterator[None]:
    """Hold the advisory lock of the schema; it goes with the connection if we die."""
    key = zlib.crc32(f"homeroom.migrations.{schema}".encode())
    await connection.execute(text(f"SET lock_timeout = '{int(TURN_TIMEOUT_S * 1_000)}'"))
    await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
    await connection.commit()
    try:
        yield
    finally:
        await connection.rollback()
        await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
        await connection.commit()


def _config(schema: str, script_package: str) -> Config:
    _check_schema(schema)
    package = import_module(script_package)
    versions = Path(next(iter(package.__path__))) / "versions"
    misnamed = sorted(
        path.name
        for path in versions.glob("*.py")
        if path.name != "__init__.py" and not _FILE.fullmatch(path.name)
    )
    if misnamed:
        message = (
            f"{script_package}: migrations are NNNN_pre_words.py or NNNN_post_words.py: {misnamed}"
        )
        raise Fatal(message)
    config = Config()
    config.set_main_option("script_location", _escaped(_ENVIRONMENT))
    config.set_main_option("version_locations", _escaped(versions))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["schema"] = schema
    return config


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


def _check_schema(schema: str) -> None:
    if not _SCHEMA.fullmatch(schema):
        message = "a schema is named by small letters, digits and _"
        raise Fatal(message)


def _is_lock_timeout(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) == asyncpg.LockNotAvailableError.sqlstate


def _pairs(given: Sequence[str]) -> list[tuple[str, str]]:
    pairs = [one.partition("=") for one in given]
    return [(schema, package) for schema, _, package in pairs]


async def _main_migrate(url: str, pairs: Sequence[tuple[str, str]]) -> int:
    for schema, package in pairs:
        done = await migrate(url, schema=schema, script_package=package)
        sys.stdout.write(f"{schema}: {len(done.applied)} applied, stands at {done.current}\n")
    return 0


async def _main_check(url: str, pairs: Sequence[tuple[str, str]]) -> int:
    waiting = 0
    for schema, package in pairs:
        missing = await pending(url, schema=schema, script_package=package)
        sys.stdout.write(f"{schema}: {len(missing)} pending {' '.join(missing)}\n")
        waiting += len(missing)
    return 1 if waiting else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m roster_common.runtime.migrations")
    parser.add_argument("schemas", nargs="+", metavar="SCHEMA=PACKAGE", help="in this order")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="exit 1 if anything is pending")
    choice.add_argument("--new", nargs=2, metavar=("pre|post", "WORDS"), help="write a new file")
    given = parser.parse_args(arguments)
    configure_logging(service="migrations")
    pairs = _pairs(given.schemas)
    if given.new:
        for schema, package in pairs:
            made = new_migration(package, schema=schema, stage=given.new[0], words=given.new[1])
            sys.stdout.write(f"{made}\n")
        return 0
    run: Callable[..., object] = _main_check if given.check else _main_migrate
    url = load(MigrationSettings).database_url.get_secret_value()
    return asyncio.run(run(url, pairs))  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
