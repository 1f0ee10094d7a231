"""The real parts a run measures on, started by the product's own rule, and databases on them.

PostgreSQL is a process of ours that syncs to disk, or the one given; never a container, whose
settings for tests give up durability. Kafka may be a container where Java or its jars are not.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import structlog

from homeroom.parts import postgres_admin
from homeroom.parts.kafka import RunningKafka, start_kafka
from homeroom.parts.missing import Missing
from homeroom.parts.postgres import RunningPostgres, start_postgres
from roster_common.runtime.database import Database
from roster_common.runtime.log.prepare import prepare_log
from tests.contract.log.worlds import prepare

logger = structlog.get_logger(__name__)

CLOSE_TIMEOUT_S = 3.0
DURABILITY = ("fsync", "synchronous_commit", "full_page_writes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """What answers. `kafka` is None where no section asked for it."""

    postgres: RunningPostgres
    kafka: RunningKafka | Missing | None

    @property
    def bootstrap(self) -> str | None:
        """Kafka's address, if there is one."""
        return self.kafka.bootstrap if isinstance(self.kafka, RunningKafka) else None


@contextmanager
def running(*, with_kafka: bool) -> Iterator[Servers | Missing]:
    """Start the parts in a folder of their own and stop what was started. Not in an event loop."""
    # Not below a folder of the user's: an unprivileged owner of the cluster could not reach it.
    folder = Path(tempfile.mkdtemp(prefix="homeroom-bench-"))
    folder.chmod(0o711)
    kafka: RunningKafka | Missing | None = None
    postgres = start_postgres(folder / "postgres", durable=True, docker=False)
    try:
        if isinstance(postgres, Missing):
            yield postgres
            return
        if with_kafka:
            kafka = start_kafka(folder / "kafka")
            if isinstance(kafka, Missing):
                kafka = start_kafka(folder / "kafka", docker=True)
        yield Servers(postgres=postgres, kafka=kafka)
    finally:
        if isinstance(kafka, RunningKafka):
            kafka.stop()
        if isinstance(postgres, RunningPostgres):
            postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def fresh_database(server_url: str, name: str) -> str:
    """The URL of a new database with the log's schema and a consumer's; see `drop_database`."""
    await drop_database(server_url, name)
    await administer(server_url, f"CREATE DATABASE {name}")
    url = postgres_admin.with_database(server_url, name)
    await prepare_log(url)
    await prepare(url)
    return url


async def drop_database(server_url: str, name: str) -> None:
    """Leave nothing on a server that was given to us. May run twice."""
    await administer(server_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def give_back(database: Database) -> None:
    """Close a pool within a bound: what a measurement leaves behind must not stop the next."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await database.close()
    except TimeoutError:
        logger.warning("database_did_not_close", within_s=CLOSE_TIMEOUT_S)


async def durability(server_url: str) -> dict[str, str]:
    """The settings that say whether a commit survives a power cut, as the server has them."""
    connection = await asyncpg.connect(server_url, timeout=10)
    try:
        return {
            name: str(await connection.fetchval("SELECT current_setting($1)", name, timeout=10))
            for name in DURABILITY
        }
    finally:
        await connection.close(timeout=5)


async def administer(server_url: str, statement: str) -> None:
    """Run one statement on the server, outside of any database of ours."""
    admin = postgres_admin.with_database(server_url, "postgres")
    connection = await asyncpg.connect(admin, timeout=10)
    try:
        await connection.execute(statement, timeout=60)
    finally:
        await connection.close(timeout=5)
