"""One member of a consumer group: joins, claims, drops repetitions, notices gaps, starts again.

What is done with a batch is the `apply` it is given (consumer.py, relay.py). Whatever goes wrong
outside, the member leaves within a bound, waits, and joins anew; only `Fatal` ends it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import structlog

from roster_common.contracts import registry
from roster_common.errors import Fatal, Retriable
from roster_common.ports import Clock, LogReader, Record, StartAt, TopicPartition
from roster_common.runtime.database import Database
from roster_common.runtime.log.positions import Claim, LogGap, Positions, StaleGeneration
from roster_common.runtime.log.progress import report_progress
from roster_common.runtime.metrics import metric

logger = structlog.get_logger(__name__)

Apply = Callable[[TopicPartition, Claim, Sequence[Record]], Awaitable[None]]
ReaderFactory = Callable[[str], LogReader]

_POLL_S = 0.5
_LEAVE_S = 10.0
_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_PROGRESS_EVERY_S = 1.0


class StopSignal(Protocol):
    """What the lifecycle gives a loop."""

    def is_set(self) -> bool:
        """True once the process is to stop claiming work."""
        ...

    async def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`; True when stopping."""
        ...


class Stalled(Retriable):
    """There is lag and no progress: the reader is alive and does nothing (aiokafka 1037)."""


class GroupMember:
    """Runs one reader at a time for one group. `run` may be called once."""

    def __init__(
        self,
        *,
        database: Database,
        reader: ReaderFactory,
        group: str,
        schema: str,
        member_id: str,
        clock: Clock,
        apply: Apply,
        batch: int,
        stall_s: float = 30.0,
    ) -> None:
        self._database = database
        self._reader_factory = reader
        self._group = group
        self._schema = schema
        self._member_id = member_id
        self._clock = clock
        self._apply = apply
        self._batch = batch
        self._stall_s = stall_s
        self._claims: dict[TopicPartition, Claim] = {}
        self._busy = asyncio.Lock()
        self._positions: Positions | None = None
        self._progress_at = 0.0
        self._moved_at = 0.0
        self._failures = 0
        self.state = "starting"

    @property
    def positions(self) -> Positions:
        """Positions bound to the log being read; only valid inside `apply`."""
        if self._positions is None:
            raise RuntimeError("not reading")
        return self._positions

    async def run(self, stopping: StopSignal) -> None:
        """Read until stopped. Raises `Fatal` when going on would do harm."""
        while not stopping.is_set():
            reader = self._reader_factory(self._member_id)
            try:
                await self._read_until_stopped(reader, stopping)
            except StaleGeneration:
                self._count("fenced", 1)
                logger.info("log_partition_lost", group=self._group)
            except Retriable as error:
                self._count("retried", 1)
                self.state = f"waiting: {type(error).__name__}"
                logger.warning("log_reader_restarts", group=self._group, road=type(error).__name__)
                await stopping.wait(_BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)])
                self._failures += 1
            except Fatal as error:
                self.state = f"stopped: {type(error).__name__}"
                raise
            finally:
                await self._leave(reader)
        self.state = "stopped"

    async def _read_until_stopped(self, reader: LogReader, stopping: StopSignal) -> None:
        self._claims.clear()
        self._positions = Positions(
            schema=self._schema,
            group=self._group,
            member_id=self._member_id,
            log_id=reader.log_id,
        )
        await reader.start(self._assigned, self._revoked)
        self._positions = Positions(
            schema=self._schema,
            group=self._group,
            member_id=self._member_id,
            log_id=reader.log_id,
        )
        self.state = "reading"
        self._moved_at = self._clock.monotonic()
        while not stopping.is_set():
            batches = await reader.poll(max_records=self._batch, timeout_s=_POLL_S)
            for lane, records in batches.items():
                await self._take(lane, records)
            await self._after_poll(reader, moved=bool(batches))

    async def _take(self, lane: TopicPartition, records: Sequence[Record]) -> None:
        async with self._busy:
            claim = self._claims.get(lane)
            if claim is None:  # revoked between the poll and now
                return
            fresh = _without_repetitions(records, claim.next_sequence)
            self._count("repeated", len(records) - len(fresh))
            if not fresh:
                # The relay repeated itself: remember the transport's offset, in memory only.
                claim.next_offset = records[-1].offset + 1
                return
            await self._refuse_gap(lane, claim, fresh)
            await self._apply(lane, claim, fresh)

    async def _refuse_gap(
        self, lane: TopicPartition, claim: Claim, fresh: Sequence[Record]
    ) -> None:
        if registry.topic(lane.topic).cleanup == "compact":
            return
        expected = claim.next_sequence if claim.next_sequence > 0 else fresh[0].sequence
        for record in fresh:
            if record.sequence > expected:
                await self._gap(lane, claim, expected, record)
            expected = record.sequence + 1

    async def _gap(self, lane: TopicPartition, claim: Claim, expected: int, found: Record) -> None:
        """First read the transport from its beginning; missing there too means lost."""
        logger.error(
            "log_gap",
            group=self._group,
            topic=lane.topic,
            partition=lane.partition,
            expected=expected,
            found=found.sequence,
        )
        if claim.from_beginning:
            raise Fatal(
                f"{self._group}: {lane.topic}/{lane.partition} continues at {found.sequence},"
                f" {expected} was expected and is on the log no more; see docs/runbooks/log-gap.md"
            )
        async with self._database.begin() as tx:
            await self.positions.forget_offset(await tx.driver(), lane)
        raise LogGap(f"{self._group}: gap in {lane.topic}/{lane.partition}")

    async def _assigned(self, lanes: frozenset[TopicPartition]) -> Mapping[TopicPartition, StartAt]:
        async with self._database.begin() as tx:
            claims = await self.positions.claim(await tx.driver(), lanes)
        self._claims.update(claims)
        self._moved_at = self._clock.monotonic()
        logger.info("log_partitions_assigned", group=self._group, partitions=len(lanes))
        return {lane: claim.start_at() for lane, claim in claims.items()}

    async def _revoked(self, lanes: frozenset[TopicPartition]) -> None:
        async with self._busy:  # a batch under way finishes first; the fence covers the rest
            for lane in lanes:
                self._claims.pop(lane, None)

    async def _after_poll(self, reader: LogReader, *, moved: bool) -> None:
        now = self._clock.monotonic()
        if moved:
            self._moved_at = now
            self._failures = 0
        if now - self._progress_at >= _PROGRESS_EVERY_S:
            self._progress_at = now
            await report_progress(
                self._database, group=self._group, log_id=reader.log_id, claims=self._claims
            )
            offsets = {
                lane: claim.next_offset
                for lane, claim in self._claims.items()
                if claim.next_offset is not None
            }
            await reader.report(offsets)
        if now - self._moved_at > self._stall_s:
            self._moved_at = now
            if any((await reader.lag()).values()):
                raise Stalled(f"{self._group} has lag and makes no progress")

    def _count(self, outcome: str, events: int) -> None:
        metric("log_consumer_outcomes_total").labels(group=self._group, outcome=outcome).inc(events)

    async def _leave(self, reader: LogReader) -> None:
        try:
            async with asyncio.timeout(_LEAVE_S):
                await reader.stop()
        except TimeoutError:
            logger.warning("log_reader_left_hanging", group=self._group)


def _without_repetitions(records: Sequence[Record], expected: int) -> list[Record]:
    """Records not seen before, in order. A relay that sent twice may stand twice in one poll."""
    fresh = []
    for record in records:
        if record.sequence >= expected:
            fresh.append(record)
            expected = record.sequence + 1
    return fresh
