"""Kafka as a part: a real broker names its release, comes back after a crash, and is optional."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from homeroom.parts import kafka_version
from homeroom.parts.kafka import RunningKafka, start_kafka, start_kafka_cluster
from homeroom.parts.missing import Missing
from homeroom.parts.settings import PartsSettings
from tests.support.ports import own_port

# Bounds for a busy machine, on which a cluster may lose sight of its nodes for a while.
TIMEOUT_S = 90.0
REQUEST_TIMEOUT_MS = 60_000


async def test_the_broker_names_its_own_release(kafka: RunningKafka) -> None:
    host, _, port = kafka.bootstrap.partition(":")

    level = kafka_version.metadata_level(host, int(port))

    assert kafka.version.startswith(kafka_version.release_line(level))


async def test_what_the_broker_acknowledged_survives_a_kill(own_kafka: RunningKafka) -> None:
    await make_topic(own_kafka.bootstrap, "kept", copies=1)
    await produce(own_kafka.bootstrap, "kept", [b"first", b"second"])

    own_kafka.kill()
    await asyncio.to_thread(own_kafka.restart)

    assert await consume(own_kafka.bootstrap, "kept", count=2) == [b"first", b"second"]


def test_where_a_port_is_somebody_elses_by_then_another_is_taken(tmp_path: Path) -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        taken: int = somebody.getsockname()[1]
        # The broker's own port, then the controller's.
        ports = iter([taken, own_port(), own_port(), taken, own_port(), own_port()])
        started = start_kafka_cluster(tmp_path, nodes=1, new_port=lambda: next(ports))

    if isinstance(started, Missing) and "see the logs" not in started.reason:
        pytest.skip(str(started))
    assert isinstance(started, RunningKafka), started
    started.stop()
    assert list(ports) == []


async def test_a_cluster_serves_on_while_one_of_three_nodes_is_dead(
    kafka_cluster: RunningKafka,
) -> None:
    await make_topic(kafka_cluster.bootstrap, "copied", copies=3)
    await produce(kafka_cluster.bootstrap, "copied", [b"before"])

    kafka_cluster.nodes[0].kill()
    await produce(kafka_cluster.bootstrap, "copied", [b"after"])
    await asyncio.to_thread(kafka_cluster.restart)

    assert await consume(kafka_cluster.bootstrap, "copied", count=2) == [b"before", b"after"]


def test_a_given_broker_is_used_and_left_running(kafka: RunningKafka, tmp_path: Path) -> None:
    settings = PartsSettings(kafka_bootstrap=kafka.bootstrap)

    given = start_kafka(tmp_path, settings=settings)

    assert isinstance(given, RunningKafka)
    assert kafka.version.startswith(given.version)
    given.stop()
    assert isinstance(start_kafka(tmp_path, settings=settings), RunningKafka)


def test_a_given_address_without_a_broker_is_named(tmp_path: Path) -> None:
    answer = start_kafka(tmp_path, settings=PartsSettings(kafka_bootstrap="127.0.0.1:1"))

    assert isinstance(answer, Missing)
    assert "HOMEROOM_KAFKA_BOOTSTRAP does not answer" in answer.reason


async def make_topic(bootstrap: str, topic: str, *, copies: int) -> None:
    """Declares a topic of one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await asyncio.wait_for(admin.start(), TIMEOUT_S)
    try:
        new = NewTopic(topic, num_partitions=1, replication_factor=copies)
        await asyncio.wait_for(admin.create_topics([new]), TIMEOUT_S)
    finally:
        await asyncio.wait_for(admin.close(), TIMEOUT_S)


async def produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    """Sends and waits for every acknowledgement of all copies in sync."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        retry_backoff_ms=100,
    )
    await asyncio.wait_for(producer.start(), TIMEOUT_S)
    try:
        for value in values:
            await asyncio.wait_for(producer.send_and_wait(topic, value), TIMEOUT_S)
    finally:
        await asyncio.wait_for(producer.stop(), TIMEOUT_S)


async def consume(bootstrap: str, topic: str, *, count: int) -> list[object]:
    """The first `count` values of the topic."""
    async with reader(bootstrap, topic) as consumer:
        return [(await asyncio.wait_for(consumer.getone(), TIMEOUT_S)).value for _ in range(count)]


@asynccontextmanager
async def reader(bootstrap: str, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer from the beginning, outside any group."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await asyncio.wait_for(consumer.start(), TIMEOUT_S)
    try:
        yield consumer
    finally:
        await asyncio.wait_for(consumer.stop(), TIMEOUT_S)
