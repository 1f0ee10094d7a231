"""The log read straight from PostgreSQL: the transport of one box without a broker.

Group membership is a row per member and a lease per partition, both by the database's clock. A
lease only spares work: what keeps two members from writing twice is the generation in the
consumer's own schema (positions.py).
"""

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg
import orjson
import structlog

from roster_common.contracts.envelope import Outgoing
from roster_common.errors import Retriable
from roster_common.ports import OnAssigned, OnRevoked, Record, StartAt, TopicPartition
from roster_common.runtime.database import Database
from roster_common.runtime.log.append import append
from roster_common.runtime.log.membership import Membership

logger = structlog.get_logger(__name__)

LOG_ID = "postgres"
_SAFETY_POLL_S = 0.25

# Purpose: next records of every lane held, one round trip. Rows: lanes x max_records at most.
# Index: primary key of log.head (skips lanes without news), then (topic, partition, offset).
_READ = """
SELECT e.topic, e.partition, e."offset", e.key, e.headers::text AS headers, e.value, e.appended_at
FROM unnest($1::text[], $2::int[], $3::bigint[]) AS w(topic, partition, from_offset)
JOIN log.head h ON h.topic = w.topic AND h.partition = w.partition
    AND h.next_offset > w.from_offset
CROSS JOIN LATERAL (
    SELECT * FROM log.event e
    WHERE e.topic = w.topic AND e.partition = w.partition AND e."offset" >= w.from_offset
    ORDER BY e."offset" LIMIT $4
) e
ORDER BY e.topic, e.partition, e."offset"
"""

# Purpose: how far the counters are ahead of what was handed out. Index: primary key of log.head.
_LAG = """
SELECT w.topic, w.partition, h.next_offset - w.from_offset AS lag
FROM unnest($1::text[], $2::int[], $3::bigint[]) AS w(topic, partition, from_offset)
JOIN log.head h ON h.topic = w.topic AND h.partition = w.partition
"""

_DRIVER_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class PostgresLog:
    """Publishes in a transaction of its own. Services use `Tx.emit` instead."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, batch: Sequence[Outgoing]) -> None:
        """Append and commit `batch`; on `Retriable` nothing of it stands, unless the answer to
        the commit itself was lost.
        """
        try:
            async with self._database.begin() as tx:
                await append(await tx.driver(), batch)
        except _DRIVER_ERRORS as error:
            raise Retriable("the log's database did not answer") from error
        self._database.poke({outgoing.topic for outgoing in batch})

    async def close(self) -> None:
        """Nothing is held: the database belongs to the service."""


class PostgresReader:
    """One group member reading the log schema. Not safe for use by two tasks at once."""

    def __init__(
        self,
        database: Database,
        *,
        group: str,
        member_id: str,
        topics: Sequence[str],
        lease_s: float = 10.0,
    ) -> None:
        self._database = database
        self._topics = tuple(topics)
        self._membership = Membership(
            database, group=group, member_id=member_id, topics=self._topics, lease_s=lease_s
        )
        self._next: dict[TopicPartition, int] = {}
        self._news = asyncio.Event()
        self._group = group

    @property
    def log_id(self) -> str:
        """Always the same: offsets of the log schema are its sequences."""
        return LOG_ID

    async def start(self, on_assigned: OnAssigned, on_revoked: OnRevoked) -> None:
        """Join the group; partitions come with the first polls."""
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._news = self._database.wake.listen(self._topics)
        try:
            await self._membership.join()
        except _DRIVER_ERRORS as error:
            raise Retriable("the log's database did not answer") from error

    async def poll(
        self, *, max_records: int, timeout_s: float
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        """Next records, at most `max_records` per partition."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            while True:
                self._news.clear()
                await self._rebalance()
                batches = await self._read(max_records)
                left = deadline - asyncio.get_running_loop().time()
                if batches or left <= 0:
                    return batches
                try:
                    async with asyncio.timeout(min(left, _SAFETY_POLL_S)):
                        await self._news.wait()
                except TimeoutError:
                    continue
        except _DRIVER_ERRORS as error:
            raise Retriable("the log's database did not answer") from error

    async def report(self, positions: Mapping[TopicPartition, int]) -> None:
        """Nothing to do: the consumer's progress row says it (progress.py)."""

    async def lag(self) -> Mapping[TopicPartition, int]:
        """Counter minus next offset, per partition held."""
        async with self._database.begin() as tx:
            rows = await (await tx.driver()).fetch(_LAG, *self._window())
        return {TopicPartition(r["topic"], r["partition"]): r["lag"] for r in rows}

    async def stop(self) -> None:
        """Give leases back, so the next member starts at once. Bounded; errors are only logged."""
        self._database.wake.forget(self._news)
        try:
            async with asyncio.timeout(5):
                await self._membership.leave()
        except (Retriable, *_DRIVER_ERRORS):
            logger.warning("log_group_leave_failed", group=self._group)

    async def _rebalance(self) -> None:
        lost, gained = await self._membership.tend()
        if lost:
            await self._on_revoked(lost)
            for lane in lost:
                self._next.pop(lane, None)
            await self._membership.release(lost)
        if gained:
            starts: Mapping[TopicPartition, StartAt] = await self._on_assigned(gained)
            self._next.update({lane: start.sequence for lane, start in starts.items()})

    def _window(self) -> tuple[list[str], list[int], list[int]]:
        lanes = sorted(self._next)
        return (
            [lane.topic for lane in lanes],
            [lane.partition for lane in lanes],
            [self._next[lane] for lane in lanes],
        )

    async def _read(self, max_records: int) -> Mapping[TopicPartition, Sequence[Record]]:
        if not self._next:
            return {}
        async with self._database.begin() as tx:
            rows = await (await tx.driver()).fetch(_READ, *self._window(), max_records)
        batches: dict[TopicPartition, list[Record]] = {}
        for row in rows:
            lane = TopicPartition(row["topic"], row["partition"])
            batches.setdefault(lane, []).append(_record(row))
        for lane, records in batches.items():
            self._next[lane] = records[-1].offset + 1
        return batches


def _record(row: asyncpg.Record) -> Record:
    return Record(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        sequence=row["offset"],
        key=row["key"],
        headers=orjson.loads(row["headers"]),
        value=row["value"],
        appended_at=row["appended_at"],
    )
