"""Where a consumer group stands: a table in the consumer's own schema, fenced by a generation.

The position moves in the same transaction as the effects (docs/adr/0009). Kafka's own commits and
log.progress only feed lag tools and retention.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from roster_common.errors import Retriable
from roster_common.ports import StartAt, TopicPartition


class StaleGeneration(Retriable):
    """Another member claimed the partition meanwhile; this transaction must roll back."""


class LogGap(Retriable):
    """Sequence numbers are missing: the transport lost or skipped events."""


@dataclass(slots=True, kw_only=True)
class Claim:
    """What this member holds of one partition. Mutable: it moves with each commit."""

    generation: int
    next_sequence: int
    next_offset: int | None
    from_beginning: bool = False

    def start_at(self) -> StartAt:
        """Where a reader begins."""
        return StartAt(sequence=self.next_sequence, offset=self.next_offset)


def create_position_table(op: Any, *, schema: str) -> None:
    """Create `<schema>.consumer_position`; called from a service's migration."""
    op.execute(f"""
        CREATE TABLE {schema}.consumer_position (
            group_id text NOT NULL, topic text NOT NULL, partition integer NOT NULL,
            generation bigint NOT NULL, member_id text NOT NULL,
            next_sequence bigint NOT NULL DEFAULT 0, next_offset bigint, log_id text NOT NULL,
            moved_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (group_id, topic, partition)
        ) WITH (fillfactor = 50)
    """)


class Positions:
    """Positions of one group in one schema. Every method runs in the caller's transaction."""

    def __init__(self, *, schema: str, group: str, member_id: str, log_id: str) -> None:
        self._table = f'"{schema}".consumer_position'
        self._group = group
        self._member_id = member_id
        self._log_id = log_id

    async def claim(
        self, driver: asyncpg.Connection, partitions: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, Claim]:
        """Take the partitions over: the generation goes up, so whoever held them is fenced off.

        A stored transport offset is kept only if it was read from this very log.
        """
        wanted = sorted(partitions)
        rows = await driver.fetch(
            f"""
            INSERT INTO {self._table} AS p
                (group_id, topic, partition, generation, member_id, log_id)
            SELECT $1, w.topic, w.partition, 1, $4, $5
            FROM unnest($2::text[], $3::int[]) AS w(topic, partition)
            ON CONFLICT (group_id, topic, partition) DO UPDATE SET
                generation = p.generation + 1, member_id = excluded.member_id,
                next_offset = CASE WHEN p.log_id = excluded.log_id THEN p.next_offset END,
                log_id = excluded.log_id
            RETURNING topic, partition, generation, next_sequence, next_offset
            """,
            self._group,
            [w.topic for w in wanted],
            [w.partition for w in wanted],
            self._member_id,
            self._log_id,
        )
        return {
            TopicPartition(row["topic"], row["partition"]): Claim(
                generation=row["generation"],
                next_sequence=row["next_sequence"],
                next_offset=row["next_offset"],
                from_beginning=row["next_offset"] is None,
            )
            for row in rows
        }

    async def advance(
        self,
        driver: asyncpg.Connection,
        at: TopicPartition,
        *,
        generation: int,
        next_sequence: int,
        next_offset: int,
    ) -> None:
        """Move forward, or raise `StaleGeneration` so that the effects roll back with it."""
        status = await driver.execute(
            f"""
            UPDATE {self._table} SET next_sequence = $5, next_offset = $6, moved_at = now()
            WHERE group_id = $1 AND topic = $2 AND partition = $3 AND generation = $4
            """,
            self._group,
            at.topic,
            at.partition,
            generation,
            next_sequence,
            next_offset,
        )
        if status != "UPDATE 1":
            raise StaleGeneration(f"{self._group} lost {at.topic}/{at.partition}")

    async def forget_offset(self, driver: asyncpg.Connection, at: TopicPartition) -> None:
        """Drop the transport offset, so the next claim reads the log from its beginning."""
        await driver.execute(
            f"""
            UPDATE {self._table} SET next_offset = NULL
            WHERE group_id = $1 AND topic = $2 AND partition = $3
            """,
            self._group,
            at.topic,
            at.partition,
        )
