"""A fresh, migrated database per test, and the service's use cases on it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from roster_common.runtime.database import Database
from roster_common.runtime.log.prepare import prepare_log
from roster_common.runtime.migrations import migrate
from tests.support.administering import WORLD, Replica, replica
from tests.support.databases import Databases
from tests.support.publishing import Publishing


@pytest.fixture(scope="session")
def publisher_template(databases: Databases) -> str:
    """A database with the log's schema and this service's, migrated once per session."""

    def fill(url: str) -> None:
        async def work() -> None:
            await prepare_log(url)
            await migrate(
                url, schema="roster_publisher", script_package="roster_publisher.migrations"
            )

        asyncio.run(work())

    return databases.template("roster_publisher", prepare=fill)


@pytest.fixture
async def publisher_url(databases: Databases, publisher_template: str) -> AsyncIterator[str]:
    """A database of its own for one test."""
    url = databases.fresh(template=publisher_template)
    yield url
    await asyncio.to_thread(databases.drop, url)


@pytest.fixture
async def publishing(publisher_url: str) -> AsyncIterator[Publishing]:
    """The service without its loops."""
    database = Database(publisher_url, name="test", pool_size=6)
    service = Publishing(database=database)
    yield service
    await service.reads.close()
    await database.close()


@pytest.fixture
async def one(publishing: Publishing) -> AsyncIterator[Replica]:
    """Every door of vendors, with a roster of two schools behind them."""
    await publishing.publish(*WORLD)
    async with replica(publishing) as found:
        yield found
