"""The log carried by Kafka, for more than one box: aiokafka behind our two ports.

aiokafka's known faults shape this room: an idempotent send, a start and a stop may hang for ever
without a broker (issue 1101), a producer may never recover from a sequence error (1017). So every
call has a time bound, and after any failed send the producer is thrown away and made anew;
repetitions that follow are dropped by the readers, by sequence.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from aiokafka import TopicPartition as KafkaLane
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from roster_common.contracts.envelope import Outgoing
from roster_common.errors import Retriable
from roster_common.ports import OnAssigned, OnRevoked, Record, TopicPartition
from roster_common.runtime.metrics import metric

logger = structlog.get_logger(__name__)

SEQUENCE_HEADER = "sequence"

_START_S = 15.0
_SEND_S = 10.0
_STOP_S = 3.0
_REQUEST_MS = 8_000
_T = TypeVar("_T")


async def bounded(call: Awaitable[_T], *, within_s: float, doing: str) -> _T:
    """Await a client call for at most `within_s`; its own errors and time-outs are `Retriable`."""
    try:
        async with asyncio.timeout(within_s):
            return await call
    except (KafkaError, OSError, TimeoutError) as error:
        raise Retriable(f"Kafka: {doing} failed: {type(error).__name__}") from error


async def _give_up(stop: Awaitable[None], *, what: str) -> None:
    """Stop a client that may hang; what does not stop in time is left to the garbage collector."""
    try:
        async with asyncio.timeout(_STOP_S):
            await stop
    except (KafkaError, OSError, TimeoutError) as error:
        logger.warning("kafka_client_abandoned", client=what, error=type(error).__name__)


class KafkaLog:
    """Publishes in order with an idempotent producer; starts it on first use.

    `sequence` headers must be set by the caller (the relay). Safe for one task at a time.
    """

    def __init__(
        self, bootstrap: str, *, prefix: str = "", send_timeout_s: float = _SEND_S
    ) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._send_timeout_s = send_timeout_s
        self._producer: AIOKafkaProducer | None = None

    async def publish(self, batch: Sequence[Outgoing]) -> None:
        """Return when all in-sync replicas have the batch. On `Retriable` some of it may stand,
        now or a little later; publish it again in the same order.
        """
        producer = await self._ready()
        try:
            await bounded(self._send(producer, batch), within_s=self._send_timeout_s, doing="send")
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Drop the producer within `_STOP_S`, broker or not."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _give_up(producer.stop(), what="producer")
            # A sender left behind would go on trying for ever and could send its old batch after
            # newer ones. aiokafka has no public way to end it (issue 1101).
            sender = producer._sender.sender_task  # noqa: SLF001
            if sender is not None and not sender.done():
                sender.cancel()
                await _give_up(producer.client.close(), what="producer connections")
                metric("log_relay_restarts_total").labels().inc()

    async def _ready(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                enable_idempotence=True,
                acks="all",
                linger_ms=2,
                max_batch_size=131_072,
                max_request_size=4_194_304,
                request_timeout_ms=_REQUEST_MS,
            )
            try:
                await bounded(producer.start(), within_s=_START_S, doing="producer start")
            except BaseException:
                await _give_up(producer.stop(), what="producer")
                raise
            self._producer = producer
        return self._producer

    async def _send(self, producer: AIOKafkaProducer, batch: Sequence[Outgoing]) -> None:
        sent = [
            await producer.send(
                self._prefix + outgoing.topic,
                value=outgoing.value,
                key=outgoing.key.encode(),
                partition=outgoing.partition,
                headers=[(name, value.encode()) for name, value in outgoing.headers.items()],
            )
            for outgoing in batch
        ]
        await asyncio.gather(*sent)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Turns aiokafka's rebalance calls into ours: claim, then seek."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        on_assigned: OnAssigned,
        on_revoked: OnRevoked,
        *,
        prefix: str,
    ) -> None:
        self._consumer = consumer
        self._prefix = prefix
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self.failed: BaseException | None = None
        # aiokafka hands records out from the moment of assignment, before our claim and seek are
        # done: what comes from a lane that is not here is from the wrong place and thrown away.
        self.ready: set[KafkaLane] = set()

    async def on_partitions_revoked(self, revoked: frozenset[KafkaLane]) -> None:
        self.ready -= revoked
        if revoked:
            await self._on_revoked(self._ours(revoked))

    async def on_partitions_assigned(self, assigned: frozenset[KafkaLane]) -> None:
        try:
            if assigned:
                await self._seek(assigned)
        except Exception as error:  # noqa: BLE001 - aiokafka would log it and read on anyhow
            self.failed = error

    async def _seek(self, assigned: frozenset[KafkaLane]) -> None:
        starts = await self._on_assigned(self._ours(assigned))
        unknown = []
        for at, start in starts.items():
            lane = KafkaLane(self._prefix + at.topic, at.partition)
            if start.offset is None:
                unknown.append(lane)
            else:
                self._consumer.seek(lane, start.offset)
        if unknown:
            await self._consumer.seek_to_beginning(*unknown)
        self.ready |= assigned

    def _ours(self, lanes: frozenset[KafkaLane]) -> frozenset[TopicPartition]:
        return frozenset(_our_lane(lane, self._prefix) for lane in lanes)


class KafkaReader:
    """One group member on Kafka. Offsets are claimed from and kept in the consumer's schema."""

    def __init__(
        self,
        bootstrap: str,
        *,
        group: str,
        member_id: str,
        topics: Sequence[str],
        prefix: str = "",
        session_timeout_s: float = 10.0,
    ) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._topics = tuple(prefix + topic for topic in topics)
        self._log_id = "kafka"
        self._listener: _Listener | None = None
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            client_id=member_id,
            group_id=prefix + group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=int(session_timeout_s * 1000),
            heartbeat_interval_ms=int(session_timeout_s * 300),
            # aiokafka's default is the session time-out: a longer batch would lose membership.
            rebalance_timeout_ms=60_000,
            request_timeout_ms=_REQUEST_MS + 4_000,
            # A topic made after we joined must not stay unseen for aiokafka's five minutes.
            metadata_max_age_ms=5_000,
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=4_194_304,
        )

    @property
    def log_id(self) -> str:
        """`kafka:<cluster id>`, known after `start`: a rebuilt cluster has other offsets."""
        return self._log_id

    @property
    def assigned(self) -> int:
        """How many partitions aiokafka holds for us, claimed or not."""
        return len(self._consumer.assignment())

    async def start(self, on_assigned: OnAssigned, on_revoked: OnRevoked) -> None:
        """Join the group, or raise `Retriable` within about `_START_S`."""
        self._log_id = f"kafka:{await cluster_id(self._bootstrap)}"
        self._listener = _Listener(self._consumer, on_assigned, on_revoked, prefix=self._prefix)
        await bounded(self._consumer.start(), within_s=_START_S, doing="consumer start")
        self._consumer.subscribe(topics=self._topics, listener=self._listener)

    async def poll(
        self, *, max_records: int, timeout_s: float
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        """Next records, at most `max_records` over all partitions held."""
        fetched = await bounded(
            self._consumer.getmany(timeout_ms=int(timeout_s * 1000), max_records=max_records),
            within_s=timeout_s + _START_S,
            doing="fetch",
        )
        listener = self._listener
        if listener is None:
            return {}
        if listener.failed is not None:
            raise Retriable("claiming the assigned partitions failed") from listener.failed
        return {
            _our_lane(lane, self._prefix): records
            for lane, messages in fetched.items()
            if lane in listener.ready
            and (records := [r for m in messages if (r := _record(m, self._prefix)) is not None])
        }

    async def report(self, positions: Mapping[TopicPartition, int]) -> None:
        """Commit to Kafka for its lag tools; a failure is of no consequence."""
        held = self._consumer.assignment()
        offsets = {
            lane: offset
            for at, offset in positions.items()
            if (lane := KafkaLane(self._prefix + at.topic, at.partition)) in held
        }
        if not offsets:
            return
        try:
            await bounded(self._consumer.commit(offsets), within_s=_STOP_S, doing="commit")
        except Retriable:
            logger.info("kafka_progress_not_reported")

    async def lag(self) -> Mapping[TopicPartition, int]:
        """End offset minus the reader's position, per partition held."""
        lanes = tuple(self._consumer.assignment())
        if not lanes:
            return {}
        ends = await bounded(self._consumer.end_offsets(lanes), within_s=_START_S, doing="ends")
        found = {}
        for lane in lanes:
            at = await bounded(self._consumer.position(lane), within_s=_START_S, doing="position")
            found[_our_lane(lane, self._prefix)] = ends[lane] - at
        return found

    async def stop(self) -> None:
        """Leave the group within `_STOP_S`, broker or not."""
        await _give_up(self._consumer.stop(), what="consumer")


def _our_lane(lane: KafkaLane, prefix: str) -> TopicPartition:
    return TopicPartition(lane.topic.removeprefix(prefix), lane.partition)


def _record(message: Any, prefix: str) -> Record | None:
    """Our record in a message, or None for one that no relay of ours wrote: it is left alone."""
    try:
        headers = {name: value.decode() for name, value in message.headers}
        sequence, key = int(headers.pop(SEQUENCE_HEADER)), message.key.decode()
    except (KeyError, ValueError, AttributeError):
        logger.error(
            "foreign_record_ignored",
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
        )
        return None
    return Record(
        topic=message.topic.removeprefix(prefix),
        partition=message.partition,
        offset=message.offset,
        sequence=sequence,
        key=key,
        headers=headers,
        value=message.value,
        appended_at=datetime.fromtimestamp(message.timestamp / 1000, UTC),
    )


async def cluster_id(bootstrap: str) -> str:
    """Ask the broker who it is. Raises `Retriable` when none answers in time."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_MS)
    try:
        await bounded(admin.start(), within_s=_START_S, doing="admin start")
        described = await bounded(
            admin.describe_cluster(), within_s=_START_S, doing="describe cluster"
        )
        return str(described["cluster_id"])
    finally:
        await _give_up(admin.close(), what="admin")
