"""A log on PostgreSQL for the guards that no other suite shows alone."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from roster_common.runtime.log.prepare import prepare_log
from tests.contract.log.worlds import World, postgres_world, prepare
from tests.support.databases import Databases


@pytest.fixture
async def log_world(databases: Databases) -> AsyncIterator[World]:
    def fill(url: str) -> None:
        async def work() -> None:
            await prepare_log(url)
            await prepare(url)

        asyncio.run(work())

    template = await asyncio.to_thread(databases.template, "guards_log", prepare=fill)
    url = databases.fresh(template=template)
    async with postgres_world(url) as world:
        yield world
    await asyncio.to_thread(databases.drop, url)
