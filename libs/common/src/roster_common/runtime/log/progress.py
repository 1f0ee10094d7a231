"""What groups tell the log's keeper and operators: progress rows, lag, oldest waiting event.

Only the log schema and the service's own position table are read here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from roster_common.ports import TopicPartition
from roster_common.runtime.database import Database
from roster_common.runtime.log.positions import Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicLag:
    """How far a group is behind on one topic."""

    topic: str
    events: int
    oldest_waiting_since: datetime | None


async def report_progress(
    database: Database, *, group: str, log_id: str, claims: Mapping[TopicPartition, Claim]
) -> None:
    """Write the group's progress for retention (slowest group). Commits; never goes back."""
    if not claims:
        return
    lanes = sorted(claims)
    async with database.begin() as tx:
        await (await tx.driver()).execute(
            """
            INSERT INTO log.progress AS p
                (group_id, topic, partition, log_id, next_sequence, reported_at)
            SELECT $1, w.topic, w.partition, $2, w.next_sequence, now()
            FROM unnest($3::text[], $4::int[], $5::bigint[]) AS w(topic, partition, next_sequence)
            ON CONFLICT (group_id, topic, partition) DO UPDATE SET
                log_id = excluded.log_id, reported_at = now(),
                next_sequence = greatest(p.next_sequence, excluded.next_sequence)
            """,
            group,
            log_id,
            [lane.topic for lane in lanes],
            [lane.partition for lane in lanes],
            [claims[lane].next_sequence for lane in lanes],
        )


async def group_lag(
    database: Database, *, group: str, schema: str, topics: tuple[str, ...]
) -> tuple[TopicLag, ...]:
    """Events behind the log's counters and the age of the oldest, per topic; same on every
    transport, because positions are sequences of the log schema.
    """
    async with database.begin() as tx:
        rows = await (await tx.driver()).fetch(
            f"""
            SELECT h.topic, sum(h.next_offset - coalesce(p.next_sequence, 0))::bigint AS events,
                   min(e.appended_at) AS oldest
            FROM log.head h
            LEFT JOIN "{schema}".consumer_position p
                ON p.group_id = $1 AND p.topic = h.topic AND p.partition = h.partition
            LEFT JOIN LATERAL (
                SELECT appended_at FROM log.event e
                WHERE e.topic = h.topic AND e.partition = h.partition
                    AND e."offset" >= coalesce(p.next_sequence, 0)
                    AND h.next_offset > coalesce(p.next_sequence, 0)
                ORDER BY e."offset" LIMIT 1
            ) e ON true
            WHERE h.topic = ANY($2::text[])
            GROUP BY h.topic ORDER BY h.topic
            """,
            group,
            list(topics),
        )
    return tuple(
        TopicLag(topic=r["topic"], events=r["events"], oldest_waiting_since=r["oldest"])
        for r in rows
    )
