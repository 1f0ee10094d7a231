"""The service in this process, on a database of its own for each test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.databases import Databases
from tests.support.ingest_service import Ingest, running_ingest


@pytest.fixture
async def ingest_url(databases: Databases, ingest_template: str) -> AsyncIterator[str]:
    """A database of its own for one test."""
    url = databases.fresh(template=ingest_template)
    yield url
    await asyncio.to_thread(databases.drop, url)


@pytest.fixture
async def ingest(ingest_url: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    """The service with its loops."""
    async with running_ingest(ingest_url, tmp_path) as running:
        yield running
