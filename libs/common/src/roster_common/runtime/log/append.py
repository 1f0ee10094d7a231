"""The one statement that puts events on the log. Runs inside the writer's transaction.

Offsets are dense and commit-ordered because the counter row of a partition stays locked from
this statement to the commit: whoever gets the next number commits later (docs/adr/0004).
"""

from collections.abc import Sequence

import asyncpg
import orjson

from roster_common.contracts import registry
from roster_common.contracts.envelope import Outgoing
from roster_common.errors import Fatal

# Purpose: lock the counters of several partitions in one order, so two writers never deadlock.
# Rows: one per partition touched. Index: primary key of log.head.
_LOCK = """
SELECT 1 FROM log.head h
JOIN (
    SELECT DISTINCT t.topic, t.partition
    FROM unnest($1::text[], $2::int[]) AS t(topic, partition)
) w ON h.topic = w.topic AND h.partition = w.partition
ORDER BY h.topic, h.partition
FOR UPDATE OF h
"""

# Purpose: number and store a batch. Rows: one per event. Index: primary key of log.head.
_APPEND = """
WITH wanted AS (
    SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::json[], $5::bytea[], $6::text[])
        WITH ORDINALITY AS t(topic, partition, key, headers, value, cleanup, place)
), counted AS (
    SELECT topic, partition, count(*) AS events FROM wanted GROUP BY topic, partition
), numbered AS (
    UPDATE log.head h SET next_offset = h.next_offset + c.events
    FROM counted c WHERE h.topic = c.topic AND h.partition = c.partition
    RETURNING h.topic, h.partition, h.next_offset - c.events AS first_offset
)
INSERT INTO log.event (cleanup, topic, partition, "offset", key, headers, value, appended_at)
SELECT w.cleanup, w.topic, w.partition,
       n.first_offset - 1 + row_number() OVER (PARTITION BY w.topic, w.partition ORDER BY w.place),
       w.key, w.headers, w.value, clock_timestamp()
FROM wanted w JOIN numbered n ON n.topic = w.topic AND n.partition = w.partition
"""


async def append(driver: asyncpg.Connection, batch: Sequence[Outgoing]) -> None:
    """Append `batch` in its order, numbered densely per partition. Does not commit.

    Must be the last statement before the commit. Raises `Fatal` when a topic is not declared in
    the database (run the migrations); nothing is stored then, as the transaction rolls back.
    """
    if not batch:
        return
    topics = [o.topic for o in batch]
    partitions = [o.partition for o in batch]
    if len(set(zip(topics, partitions, strict=True))) > 1:
        await driver.execute(_LOCK, topics, partitions)
    status = await driver.execute(
        _APPEND,
        topics,
        partitions,
        [o.key for o in batch],
        [orjson.dumps(o.headers).decode() for o in batch],
        [o.value for o in batch],
        [registry.topic(topic).cleanup for topic in topics],
    )
    if status != f"INSERT 0 {len(batch)}":
        raise Fatal(f"the log misses one of the topics {sorted(set(topics))}: run migrations")
