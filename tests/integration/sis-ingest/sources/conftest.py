"""Emulated SISs for the sources, and a database of its own for each test."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.databases import Databases
from tests.support.emulators import Emulator, emulator


@pytest.fixture
async def url(databases: Databases, ingest_template: str) -> AsyncIterator[str]:
    """A database of its own for one test."""
    made = databases.fresh(template=ingest_template)
    yield made
    await asyncio.to_thread(databases.drop, made)


@pytest.fixture
def oneroster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A OneRoster SIS with ClassLink's headers; its office is as it was at the start."""
    folder = tmp_path_factory.mktemp("oneroster")
    with emulator("oneroster", "--revision-headers", "--students", "40", folder=folder) as running:
        yield running
