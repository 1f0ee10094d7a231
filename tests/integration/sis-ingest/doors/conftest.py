"""The service in this process, on a database of its own for each test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roster_common.runtime.log.prepare import prepare_log
from roster_common.runtime.migrations import migrate
from tests.support.databases import Databases
from tests.support.ingest_service import Ingest, running_ingest


@pytest.fixture(scope="session")
def doors_template(databases: Databases) -> str:
    """A database with the log's schema and this service's, migrated once per session."""

    async def fill(url: str) -> None:
        await prepare_log(url)
        await migrate(url, schema="sis_ingest", script_package="sis_ingest.migrations")

    return databases.template("sis_ingest_doors", prepare=lambda url: asyncio.run(fill(url)))


@pytest.fixture
async def ingest_url(databases: Databases, doors_template: str) -> AsyncIterator[str]:
    """A database of its own for one test."""
    url = databases.fresh(template=doors_template)
    yield url
    await asyncio.to_thread(databases.drop, url)


@pytest.fixture
async def ingest(ingest_url: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    """The service with its loops."""
    async with running_ingest(ingest_url, tmp_path) as running:
        yield running
