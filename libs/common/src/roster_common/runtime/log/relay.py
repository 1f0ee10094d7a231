"""Carries the log from PostgreSQL to Kafka, in order, at least once.

Reads as one more consumer group of the log schema; each record goes out with its sequence as a
header, so a repetition after a crash is dropped by the readers (docs/adr/0009).
"""

from collections.abc import Sequence

from roster_common.contracts import registry
from roster_common.contracts.envelope import Outgoing
from roster_common.ports import Clock, IdSource, LogWriter, Record, TopicPartition
from roster_common.runtime.database import Database
from roster_common.runtime.failpoints import failpoint
from roster_common.runtime.log.kafka import SEQUENCE_HEADER
from roster_common.runtime.log.member import GroupMember, StopSignal
from roster_common.runtime.log.positions import Claim
from roster_common.runtime.log.postgres import PostgresReader

GROUP = "relay"
SCHEMA = "log"


class Relay:
    """Publishes everything on the log schema through `writer`. One relay works at a time per
    partition; a second one stands by.
    """

    def __init__(
        self,
        *,
        database: Database,
        writer: LogWriter,
        clock: Clock,
        ids: IdSource,
        batch: int = 500,
        lease_s: float = 10.0,
    ) -> None:
        self._database = database
        self._writer = writer
        self.topics = tuple(registry.topics)
        self._member = GroupMember(
            database=database,
            reader=lambda member_id: PostgresReader(
                database, group=GROUP, member_id=member_id, topics=self.topics, lease_s=lease_s
            ),
            group=GROUP,
            schema=SCHEMA,
            member_id=f"relay-{ids.new_id()}",
            clock=clock,
            apply=self._apply,
            batch=batch,
        )

    @property
    def state(self) -> str:
        """One word for people."""
        return self._member.state

    async def run(self, stopping: StopSignal) -> None:
        """Relay until stopped; a broker that is away only makes it wait."""
        try:
            await self._member.run(stopping)
        finally:
            await self._writer.close()

    async def _apply(self, lane: TopicPartition, claim: Claim, records: Sequence[Record]) -> None:
        failpoint("log.relay.before_send")
        await self._writer.publish([_outgoing(record) for record in records])
        failpoint("log.relay.after_send")
        last = records[-1]
        async with self._database.begin() as tx:
            await self._member.positions.advance(
                await tx.driver(),
                lane,
                generation=claim.generation,
                next_sequence=last.sequence + 1,
                next_offset=last.offset + 1,
            )
        failpoint("log.relay.after_mark")
        claim.next_sequence, claim.next_offset = last.sequence + 1, last.offset + 1


def _outgoing(record: Record) -> Outgoing:
    return Outgoing(
        topic=record.topic,
        partition=record.partition,
        key=record.key,
        headers={**record.headers, SEQUENCE_HEADER: str(record.sequence)},
        value=record.value,
    )
