"""Emulated SISs for the sources, and a database of its own for each test."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from roster_common.runtime.log.prepare import prepare_log
from roster_common.runtime.migrations import migrate
from tests.support.databases import Databases
from tests.support.emulators import Emulator, emulator


@pytest.fixture(scope="session")
def sources_template(databases: Databases) -> str:
    """A database with the log's schema and this service's, migrated once per session."""

    async def fill(url: str) -> None:
        await prepare_log(url)
        await migrate(url, schema="sis_ingest", script_package="sis_ingest.migrations")

    return databases.template("sis_ingest_sources", prepare=lambda url: asyncio.run(fill(url)))


@pytest.fixture
async def url(databases: Databases, sources_template: str) -> AsyncIterator[str]:
    """A database of its own for one test."""
    made = databases.fresh(template=sources_template)
    yield made
    await asyncio.to_thread(databases.drop, made)


@pytest.fixture
def oneroster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A OneRoster SIS with ClassLink's headers; its office is as it was at the start."""
    folder = tmp_path_factory.mktemp("oneroster")
    with emulator("oneroster", "--revision-headers", "--students", "40", folder=folder) as running:
        yield running
