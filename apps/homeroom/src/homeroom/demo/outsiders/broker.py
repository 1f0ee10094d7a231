"""Somebody who asks a Kafka broker itself how much it holds, past everything of ours."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

TIMEOUT_MS = 10_000


def end_offsets(bootstrap: str, *, prefix: str) -> Mapping[str, int]:
    """Return the sum of the end offsets of every topic whose name begins so, without the prefix.

    May raise `aiokafka.errors.KafkaError`.
    """
    return asyncio.run(_end_offsets(bootstrap, prefix))


async def _end_offsets(bootstrap: str, prefix: str) -> Mapping[str, int]:
    lanes = await _lanes(bootstrap, prefix)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, request_timeout_ms=TIMEOUT_MS)
    await consumer.start()
    try:
        # Assigned, so that the client asks for the leaders of these topics.
        consumer.assign(lanes)
        ends = await consumer.end_offsets(lanes)
    finally:
        await consumer.stop()
    totals: Counter[str] = Counter()
    for lane, end in ends.items():
        totals[lane.topic.removeprefix(prefix)] += end
    return dict(sorted(totals.items()))


async def _lanes(bootstrap: str, prefix: str) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=TIMEOUT_MS)
    await admin.start()
    try:
        names = [name for name in await admin.list_topics() if name.startswith(prefix)]
        return [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics(names)
            for partition in topic["partitions"]
        ]
    finally:
        await admin.close()
