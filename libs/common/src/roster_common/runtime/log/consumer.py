"""The consumer every service uses: effects, events, dead letters and position in one transaction.

Three roads (docs/adr/0009): `Retriable` and database trouble back off and try again; `Invalid`
sets one event aside, with its reason and without its body; anything unexpected is tried alone a
few times and then set aside. Too many dead letters stop the consumer: bad code must not empty a
topic.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import structlog

from roster_common.contracts.codec import decode
from roster_common.contracts.envelope import Event
from roster_common.errors import Fatal, Invalid, Retriable
from roster_common.ports import Clock, IdSource, Record, TopicPartition
from roster_common.runtime.database import Database, Tx
from roster_common.runtime.failpoints import failpoint
from roster_common.runtime.log.deadletter import DeadLetter, dead_letter_event, recent_dead_letters
from roster_common.runtime.log.member import GroupMember, ReaderFactory, StopSignal
from roster_common.runtime.log.positions import Claim
from roster_common.runtime.metrics import metric

logger = structlog.get_logger(__name__)

_TRIES_ALONE = 3
_RETRY_ALONE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A decoded event and where it stood."""

    event: Event
    topic: str
    partition: int
    offset: int
    sequence: int
    appended_at: datetime


Handler = Callable[[Tx, Sequence[Received]], Awaitable[None]]


class DeadLetterLimit(Fatal):
    """Too many events were set aside in the window; a person must look before more are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterPolicy:
    """At most `limit` dead letters of the service within `window_s`; one more stops the group."""

    limit: int = 20
    window_s: float = 600.0


@dataclass(slots=True, kw_only=True)
class _Batch:
    """What goes into one transaction: good events, those set aside, and where it ends."""

    good: list[Received]
    dead: list[DeadLetter]
    last: Record


class Consumer:
    """Runs `handle` over `topics` for `group`, exactly once per event as far as the schema goes.

    `handle` gets events of one partition in order; its effects, its events and the position
    commit together. It may be called again with the same events after a rollback.
    """

    def __init__(
        self,
        *,
        database: Database,
        reader: ReaderFactory,
        service: str,
        group: str,
        topics: Sequence[str],
        schema: str,
        handle: Handler,
        clock: Clock,
        ids: IdSource,
        batch: int = 500,
        dead_letters: DeadLetterPolicy | None = None,
        stall_s: float = 30.0,
    ) -> None:
        self.group = group
        self.topics = tuple(topics)
        self.schema = schema
        self._database = database
        self._service = service
        self._handle = handle
        self._clock = clock
        self._ids = ids
        self._policy = dead_letters or DeadLetterPolicy()
        self._member = GroupMember(
            database=database,
            reader=reader,
            group=group,
            schema=schema,
            member_id=f"{service}-{ids.new_id()}",
            clock=clock,
            apply=self._apply,
            batch=batch,
            stall_s=stall_s,
        )

    @property
    def state(self) -> str:
        """One word for people: starting, reading, waiting: …, stopped: …"""
        return self._member.state

    async def run(self, stopping: StopSignal) -> None:
        """Consume until stopped; raises `Fatal` (for one, `DeadLetterLimit`)."""
        await self._member.run(stopping)

    async def _apply(self, lane: TopicPartition, claim: Claim, records: Sequence[Record]) -> None:
        batch = self._decode(records)
        try:
            await self._commit(lane, claim, batch)
        except (Retriable, Fatal):
            raise
        except Exception:  # noqa: BLE001 - one event may be to blame: each is tried alone
            await self._one_by_one(lane, claim, records)

    async def _one_by_one(
        self, lane: TopicPartition, claim: Claim, records: Sequence[Record]
    ) -> None:
        for record in records:
            await self._alone(lane, claim, record)

    async def _alone(self, lane: TopicPartition, claim: Claim, record: Record) -> None:
        """Try one event by itself; set it aside when it alone is to blame."""
        reason, field = "unexpected", None
        for attempt in range(1, _TRIES_ALONE + 1):
            try:
                await self._commit(lane, claim, self._decode([record]))
                return
            except (Retriable, Fatal):
                raise
            except Invalid as error:
                reason, field = error.reason, error.field
                break
            except Exception as error:  # noqa: BLE001 - set aside by class name below
                reason = f"unexpected:{type(error).__name__}"
                logger.warning(
                    "event_failed", group=self.group, error=type(error).__name__, attempt=attempt
                )
                await asyncio.sleep(_RETRY_ALONE_S * attempt)
        letter = DeadLetter(record=record, reason=reason, field=field, attempts=attempt)
        await self._commit(lane, claim, _Batch(good=[], dead=[letter], last=record))

    def _decode(self, records: Sequence[Record]) -> _Batch:
        batch = _Batch(good=[], dead=[], last=records[-1])
        for record in records:
            try:
                event = decode(record.headers, record.key, record.value)
            except Invalid as error:
                batch.dead.append(
                    DeadLetter(record=record, reason=error.reason, field=error.field, attempts=1)
                )
                continue
            batch.good.append(
                Received(
                    event=event,
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    sequence=record.sequence,
                    appended_at=record.appended_at,
                )
            )
        return batch

    async def _commit(self, lane: TopicPartition, claim: Claim, batch: _Batch) -> None:
        next_sequence, next_offset = batch.last.sequence + 1, batch.last.offset + 1
        async with self._database.begin() as tx:
            if batch.good:
                await self._handle(tx, batch.good)
            failpoint("log.consume.after_effect")
            if batch.dead:
                failpoint("log.deadletter.before_commit")
            for letter in batch.dead:
                tx.emit(self._set_aside(letter))
            driver = await tx.driver()
            if batch.dead:
                await self._refuse_flood(driver, len(batch.dead))
            await self._member.positions.advance(
                driver,
                lane,
                generation=claim.generation,
                next_sequence=next_sequence,
                next_offset=next_offset,
            )
            failpoint("log.consume.before_commit")
        failpoint("log.consume.after_commit")
        claim.next_sequence, claim.next_offset = next_sequence, next_offset
        outcomes = metric("log_consumer_outcomes_total")
        outcomes.labels(group=self.group, outcome="handled").inc(len(batch.good))
        for letter in batch.dead:
            outcomes.labels(group=self.group, outcome="dead_letter").inc()
            metric("dead_letters_total").labels(group=self.group, reason=letter.reason).inc()

    def _set_aside(self, letter: DeadLetter) -> Event:
        logger.error(
            "event_set_aside",
            group=self.group,
            topic=letter.record.topic,
            partition=letter.record.partition,
            sequence=letter.record.sequence,
            reason=letter.reason,
        )
        return dead_letter_event(
            letter,
            group=self.group,
            service=self._service,
            event_id=self._ids.new_id(),
            now=self._clock.now(),
        )

    async def _refuse_flood(self, driver: asyncpg.Connection, more: int) -> None:
        since = self._clock.now() - timedelta(seconds=self._policy.window_s)
        stood = await recent_dead_letters(driver, service=self._service, since=since)
        if stood + more > self._policy.limit:
            raise DeadLetterLimit(
                f"{self.group}: {stood} dead letters within {self._policy.window_s:.0f} s"
                f" and {more} more; the limit is {self._policy.limit}"
            )
