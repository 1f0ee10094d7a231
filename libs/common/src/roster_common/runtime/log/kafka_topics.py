"""Declares our topics on Kafka from the registry. Brokers never make topics by a typo of ours."""

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from roster_common.contracts import registry
from roster_common.errors import Fatal, Retriable
from roster_common.runtime.log.kafka import bounded

logger = structlog.get_logger(__name__)

_ANSWER_S = 20.0


async def declare_topics(bootstrap: str, *, prefix: str = "", replication: int = 1) -> None:
    """Create missing topics with their partitions and retention. May run often.

    Raises `Retriable` without a broker, `Fatal` when a topic stands with another number of
    partitions: districts would move between partitions and lose their order.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        await bounded(admin.start(), within_s=_ANSWER_S, doing="admin start")
        wanted = [
            NewTopic(
                name=prefix + spec.name,
                num_partitions=spec.partitions,
                replication_factor=replication,
                topic_configs=spec.kafka_config()
                | ({"min.insync.replicas": "2"} if replication > 2 else {}),
            )
            for spec in registry.topics.values()
        ]
        answer = await bounded(admin.create_topics(wanted), within_s=_ANSWER_S, doing="topics")
        for name, code, *_ in answer.topic_errors:
            _refuse_other_than_existing(name, code)
        await _refuse_other_partitions(admin, prefix)
    finally:
        try:
            await bounded(admin.close(), within_s=3, doing="admin close")
        except Retriable:
            logger.warning("kafka_client_abandoned", client="admin")


def _refuse_other_than_existing(name: str, code: int) -> None:
    error = for_code(code)
    if code != 0 and error is not TopicAlreadyExistsError:
        raise Retriable(f"Kafka did not make topic {name}: {error.__name__}")


async def _refuse_other_partitions(admin: AIOKafkaAdminClient, prefix: str) -> None:
    described = await bounded(
        admin.describe_topics([prefix + name for name in registry.topics]),
        within_s=_ANSWER_S,
        doing="describe topics",
    )
    for topic in described:
        declared = registry.topic(topic["topic"].removeprefix(prefix)).partitions
        standing = len(topic["partitions"])
        if standing and standing != declared:
            raise Fatal(f"{topic['topic']} has {standing} partitions on Kafka, declared {declared}")
