"""A Kafka broker that is gone, frozen or cut off blocks nothing and loses nothing."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from homeroom.parts.kafka import RunningKafka
from roster_common.contracts.codec import encode
from roster_common.errors import Retriable
from roster_common.runtime.log.kafka import KafkaLog, KafkaReader
from tests.contract.log.worlds import TOPIC, World, eventually, joined, kafka_world, running

# Bounds that only a hang would break: aiokafka's own faults last for ever.
START_BOUND_S = 40
STOP_BOUND_S = 40


@pytest.fixture
async def own_world(own_kafka: RunningKafka, log_url: str) -> AsyncIterator[World]:
    """A log on a broker that this test may kill."""
    async with kafka_world(log_url, own_kafka.bootstrap) as found:
        yield found


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nothing listens, kept so that nobody else is given it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


async def test_without_a_broker_a_reader_says_so_and_stops_at_once(nobody: str) -> None:
    """Start fails on the retriable road within its bound; stop does not hang."""
    reader = KafkaReader(nobody, group="g", member_id="m", topics=[TOPIC])
    began = time.monotonic()

    with pytest.raises(Retriable):
        await reader.start(_unused, _unused)
    assert time.monotonic() - began < START_BOUND_S

    began = time.monotonic()
    await reader.stop()
    assert time.monotonic() - began < STOP_BOUND_S


async def test_without_a_broker_publishing_says_so_and_closing_does_not_hang(nobody: str) -> None:
    """The same for the producer."""
    log = KafkaLog(nobody)
    began = time.monotonic()

    with pytest.raises(Retriable):
        await log.publish([encode(joined("p0"))])
    await log.close()

    assert time.monotonic() - began < START_BOUND_S + STOP_BOUND_S


async def test_a_consumer_starts_and_stops_while_the_broker_is_away(
    direct: World, nobody: str
) -> None:
    """The loop waits and tries again; a service with it starts and stops all the same."""
    direct.reader = lambda _db, group, topics, member: KafkaReader(
        nobody, group=group, member_id=member, topics=topics
    )
    consumer = direct.consumer()

    async with running(consumer):
        await eventually(lambda: _says(consumer.state, "waiting"), within_s=START_BOUND_S)
        began = time.monotonic()
    assert time.monotonic() - began < START_BOUND_S


async def test_a_broker_killed_mid_stream_loses_and_doubles_nothing(
    own_world: World, own_kafka: RunningKafka
) -> None:
    """SIGKILL of the broker under load, then its restart: every event once, in order."""
    wanted = [f"p{number}" for number in range(120)]
    async with running(own_world.consumer(batch=10)):
        for number, person in enumerate(wanted):
            await own_world.publish(joined(person))
            if number == 40:
                await asyncio.to_thread(own_kafka.kill)
            if number == 80:
                await asyncio.to_thread(own_kafka.restart)
        await eventually(lambda: _effects(own_world, len(wanted)), within_s=100)

    assert await own_world.effects() == wanted


async def test_an_idempotent_send_that_hangs_is_given_up_and_a_new_producer_works(
    own_world: World, own_kafka: RunningKafka
) -> None:
    """aiokafka 1101: without the bound neither send nor stop would ever return."""
    log = KafkaLog(own_kafka.bootstrap, prefix=own_world.prefix, send_timeout_s=3)
    # Three seconds may be too few for the first one, and more would hide what is shown here.
    await eventually(lambda: _published(log), within_s=60)
    await asyncio.to_thread(own_kafka.kill)
    began = time.monotonic()

    with pytest.raises(Retriable):
        await log.publish([encode(joined("lost"))])
    assert time.monotonic() - began < STOP_BOUND_S

    await asyncio.to_thread(own_kafka.restart)
    await eventually(lambda: _published(log), within_s=60)
    await log.close()


async def test_moving_a_group_between_transports_repeats_and_skips_nothing(
    log_url: str, direct: World, kafka: RunningKafka
) -> None:
    """A position is a sequence of the log, so a district may get a broker later, or lose it."""
    async with running(direct.consumer()):
        await direct.publish(joined("p0"), joined("p1"))
        await eventually(lambda: _effects(direct, 2))
    async with kafka_world(log_url, kafka.bootstrap) as carried:
        await carried.publish(joined("p2"))
        async with running(carried.consumer()):
            await eventually(lambda: _effects(carried, 3))
    async with running(direct.consumer()):
        await direct.publish(joined("p3"))
        await eventually(lambda: _effects(direct, 4))

    assert await direct.effects() == ["p0", "p1", "p2", "p3"]


async def test_a_broker_that_lost_its_data_is_read_again_from_the_log(
    log_url: str, direct: World, kafka: RunningKafka
) -> None:
    """Another cluster, or new topics: the relay is told to begin again, readers drop what they
    had."""
    async with kafka_world(log_url, kafka.bootstrap) as before, running(before.consumer()):
        await before.publish(joined("p0"), joined("p1"))
        await eventually(lambda: _effects(before, 2))
    await direct.fetch("UPDATE log.consumer_position SET next_sequence = 0, next_offset = 0")
    async with kafka_world(log_url, kafka.bootstrap) as after:
        await after.publish(joined("p2"))
        async with running(after.consumer()):
            await eventually(lambda: _effects(after, 3))

    assert await direct.effects() == ["p0", "p1", "p2"]


async def _unused(*_args: object) -> dict[object, object]:
    return {}


async def _says(state: str, start: str) -> bool:
    return state.startswith(start)


async def _effects(world: World, wanted: int) -> bool:
    return len(await world.effects()) >= wanted


async def _published(log: KafkaLog) -> bool:
    try:
        await log.publish([encode(joined("again"))])
    except Retriable:
        return False
    return True
