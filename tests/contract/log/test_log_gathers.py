"""A reader that works does not make what comes meanwhile wait for more than its own work."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest
from aiokafka import TopicPartition as KafkaLane

from roster_common.contracts.codec import encode
from roster_common.contracts.envelope import Outgoing
from roster_common.ports import StartAt, TopicPartition
from roster_common.runtime.log.kafka import SEQUENCE_HEADER, KafkaLog, KafkaReader
from tests.contract.log.worlds import TOPIC, World, eventually, joined

# Longer than a broker ever takes, and two different lengths.
LONG_S, LONGER_S = 8.0, 10.0


@pytest.fixture
async def log(quiet_kafka: World) -> AsyncIterator[KafkaLog]:
    """Straight to the broker."""
    assert quiet_kafka.bootstrap is not None
    writer = KafkaLog(quiet_kafka.bootstrap, prefix=quiet_kafka.prefix)
    yield writer
    await writer.close()


@pytest.fixture
async def reader(quiet_kafka: World) -> AsyncIterator[KafkaReader]:
    """Whose fetches last long when nothing comes."""
    assert quiet_kafka.bootstrap is not None
    found = KafkaReader(
        quiet_kafka.bootstrap,
        group="g",
        member_id="m",
        topics=[TOPIC],
        prefix=quiet_kafka.prefix,
        fetch_wait_s=LONGER_S,
        gather_s=LONG_S,
        work_s=60.0,
    )
    await found.start(_from_the_beginning, _given_up)
    yield found
    await found.stop()


async def test_what_came_during_a_batch_is_the_next_one_whole(
    quiet_kafka: World, log: KafkaLog, reader: KafkaReader
) -> None:
    await log.publish([_numbered(0)])
    await eventually(lambda: _comes(reader, [0]), within_s=60)

    await log.publish([_numbered(1)])
    await eventually(lambda: _is_fetched(reader, quiet_kafka, 1))
    worked_until = asyncio.get_running_loop().time() + 0.3
    await eventually(lambda: _is_later(worked_until))
    await log.publish([_numbered(2)])
    await log.publish([_numbered(3), _numbered(4)])

    assert await _comes(reader, [1, 2, 3, 4])


async def _comes(reader: KafkaReader, wanted: list[int]) -> bool:
    found = await reader.poll(max_records=100, timeout_s=1.0)
    return [record.sequence for records in found.values() for record in records] == wanted


async def _is_fetched(reader: KafkaReader, world: World, number: int) -> bool:
    """Whether it lies in the reader: a fetch says how far the broker's log goes."""
    lane = KafkaLane(world.prefix + TOPIC, _numbered(number).partition)
    return (reader._consumer.highwater(lane) or 0) > number


async def _is_later(moment: float) -> bool:
    return asyncio.get_running_loop().time() > moment


def _numbered(sequence: int) -> Outgoing:
    plain = encode(joined(f"p{sequence}"))
    return replace(plain, headers={**plain.headers, SEQUENCE_HEADER: str(sequence)})


async def _from_the_beginning(
    lanes: frozenset[TopicPartition],
) -> Mapping[TopicPartition, StartAt]:
    return {lane: StartAt(sequence=0, offset=None) for lane in lanes}


async def _given_up(_lanes: frozenset[TopicPartition]) -> None:
    """Nothing was claimed."""
