"""Both transports for the log's contract suite."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from homeroom.parts.kafka import RunningKafka
from roster_common.runtime.log.prepare import prepare_log
from tests.contract.log.worlds import World, kafka_world, postgres_world, prepare
from tests.support.databases import Databases


@pytest.fixture(scope="session")
def log_template(databases: Databases) -> str:
    """A database with the log's schema and one consumer's, migrated once per session."""

    def fill(url: str) -> None:
        async def work() -> None:
            await prepare_log(url)
            await prepare(url)

        asyncio.run(work())

    return databases.template("log", prepare=fill)


@pytest.fixture
async def log_url(databases: Databases, log_template: str) -> AsyncIterator[str]:
    """A fresh log for one test."""
    url = databases.fresh(template=log_template)
    yield url
    await asyncio.to_thread(databases.drop, url)


@pytest.fixture(params=["postgres", "kafka"])
async def world(request: pytest.FixtureRequest, log_url: str) -> AsyncIterator[World]:
    """The log on each transport in turn."""
    if request.param == "postgres":
        async with postgres_world(log_url) as found:
            yield found
        return
    kafka: RunningKafka = request.getfixturevalue("kafka")
    async with kafka_world(log_url, kafka.bootstrap) as found:
        yield found


@pytest.fixture
async def direct(log_url: str) -> AsyncIterator[World]:
    """The log on PostgreSQL only, for what does not depend on the transport."""
    async with postgres_world(log_url) as found:
        yield found


@pytest.fixture
async def quiet_kafka(kafka: RunningKafka, log_url: str) -> AsyncIterator[World]:
    """The log on Kafka with no relay running yet."""
    async with kafka_world(log_url, kafka.bootstrap, relaying=False) as found:
        yield found
