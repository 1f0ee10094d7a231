"""Somebody who asks a Kafka broker itself how much it holds, past everything of ours."""

import asyncio
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

TIMEOUT_MS = 10_000


def end_offsets(bootstrap: str) -> Mapping[str, int]:
    """Return the sum of the end offsets of every topic that is not the broker's own.

    May raise `aiokafka.errors.KafkaError`.
    """
    return asyncio.run(_end_offsets(bootstrap))


async def _end_offsets(bootstrap: str) -> Mapping[str, int]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, request_timeout_ms=TIMEOUT_MS, enable_auto_commit=False
    )
    await consumer.start()
    try:
        names = sorted(name for name in await consumer.topics() if not name.startswith("__"))
        lanes = [
            TopicPartition(name, partition)
            for name in names
            for partition in consumer.partitions_for_topic(name) or ()
        ]
        ends = await consumer.end_offsets(lanes)
    finally:
        await consumer.stop()
    return {name: sum(end for lane, end in ends.items() if lane.topic == name) for name in names}
