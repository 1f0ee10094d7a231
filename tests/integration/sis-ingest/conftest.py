"""sis-ingest on a real database: one process per module, a source of its own per test."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from roster_common.runtime.log.prepare import prepare_log
from roster_common.runtime.migrations import migrate
from tests.support.databases import Databases
from tests.support.sis_process import Installation, Sis, open_pool


@pytest.fixture(scope="session")
def ingest_template(databases: Databases) -> str:
    """A database with the log's schema and this service's, migrated once per session."""

    async def fill(url: str) -> None:
        await prepare_log(url)
        await migrate(url, schema="sis_ingest", script_package="sis_ingest.migrations")

    return databases.template("sis_ingest", prepare=lambda url: asyncio.run(fill(url)))


@pytest.fixture(scope="module")
def installation(
    databases: Databases, ingest_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A database of the module's own; nothing runs on it yet."""
    url = databases.fresh(template=ingest_template)
    made = Installation(database_url=url, folder=tmp_path_factory.mktemp("sis-ingest"))
    yield made
    made.kill()
    databases.drop(url)


@pytest.fixture(scope="module")
def running(installation: Installation) -> Installation:
    """The same with a process, ready."""
    installation.start()
    return installation


@pytest.fixture
async def place(installation: Installation) -> AsyncIterator[Sis]:
    """A source and a district that no other test has, whatever runs."""
    number = next(installation.places)
    pool = await open_pool(installation.database_url)
    async with httpx2.AsyncClient(timeout=20) as http:
        yield Sis(
            installation=installation,
            http=http,
            database=pool,
            source=f"s{number}",
            district=f"d{number}",
        )
    await pool.close()


@pytest.fixture
async def sis(running: Installation, place: Sis) -> Sis:
    """A source of a running service."""
    assert running is place.installation
    return place


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Made by a process just before it kills itself."""
    return tmp_path / "hit"
