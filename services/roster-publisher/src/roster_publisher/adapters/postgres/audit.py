"""`AuditTrail` and `AuditReads` on PostgreSQL: written in the background, in batches.

A read never waits for its entry. What could not be written waits in bounded memory for the next
turn; what no longer fits there is dropped and counted.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Final, Protocol

import asyncpg

from roster_common.runtime.database import Database
from roster_common.runtime.failpoints import failpoint
from roster_common.runtime.metrics import metric
from roster_publisher.domain.audit import AuditEntry
from roster_publisher.domain.records import Entity
from roster_publisher.ports.audit import KeptEntry, Spot

_FLUSH_EVERY_S: Final = 0.5
_MOST_WAITING: Final = 50_000
_AT_ONCE: Final = 5_000
_COLUMNS: Final = (
    "district_id",
    "client_id",
    "at",
    "door",
    "what",
    "detail",
    "entities",
    "status",
    "rows",
    "revision",
    "ms",
    "operator",
)

# A row per entity of each client that was given something since the last turn; primary key. In
# one order, because other replicas write the same rows.
_KEEP_LAST: Final = """
    INSERT INTO roster_publisher.last_pull (district_id, client_id, entity, at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
    ORDER BY 1, 2, 3
    ON CONFLICT (district_id, client_id, entity) DO UPDATE
        SET at = greatest(last_pull.at, excluded.at)
"""

# A page of one client's entries, newest first; primary key.
_ENTRIES: Final = f"""
    SELECT audit_id, {", ".join(_COLUMNS)} FROM roster_publisher.pull_audit
    WHERE district_id = $1 AND client_id = $2
      AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
      AND ($5::timestamptz IS NULL OR (at, audit_id) < ($5, $6::bigint))
    ORDER BY at DESC, audit_id DESC LIMIT $7
"""

_LAST: Final = """
    SELECT entity, at FROM roster_publisher.last_pull WHERE district_id = $1 AND client_id = $2
"""


class StopSignal(Protocol):
    """What the lifecycle gives a loop."""

    def is_set(self) -> bool:
        """True once the process is to stop."""
        ...

    async def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`; True when stopping."""
        ...


class PostgresAudit:
    """`most_waiting` entries are held in memory at most."""

    def __init__(self, database: Database, *, most_waiting: int = _MOST_WAITING) -> None:
        self._database = database
        self._most_waiting = most_waiting
        self._waiting: deque[AuditEntry] = deque()

    def note(self, entry: AuditEntry) -> None:
        """Write it with the next turn of `run`."""
        if len(self._waiting) >= self._most_waiting:
            metric("audit_entries_total").labels(outcome="dropped").inc()
            return
        self._waiting.append(entry)

    async def run(self, stopping: StopSignal) -> None:
        """Write what has gathered, twice a second, and once more at the stop."""
        while not await stopping.wait(_FLUSH_EVERY_S):
            await self.flush()
        await self.flush()

    async def flush(self) -> None:
        """Write what has gathered; what could not be written stays for the next turn."""
        while self._waiting:
            batch = list(islice(self._waiting, _AT_ONCE))
            async with self._database.begin() as tx:
                driver: asyncpg.Connection = await tx.driver()
                await write_entries(driver, batch)
                failpoint("publisher.audit.before_commit")
            for _ in batch:
                self._waiting.popleft()
            metric("audit_entries_total").labels(outcome="written").inc(len(batch))

    async def entries(
        self,
        district_id: str,
        client_id: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        before: Spot | None = None,
        limit: int,
    ) -> Sequence[KeptEntry]:
        """The newest first."""
        async with self._database.begin() as tx:
            rows = await (await tx.driver()).fetch(
                _ENTRIES, district_id, client_id, since, until, *(before or (None, None)), limit
            )
        return [_kept(row) for row in rows]

    async def last_pulls(self, district_id: str, client_id: str) -> Mapping[Entity, datetime]:
        """By entity, when the vendor itself was last given anything of it."""
        async with self._database.begin() as tx:
            rows = await (await tx.driver()).fetch(_LAST, district_id, client_id)
        return {row["entity"]: row["at"] for row in rows}


async def write_entries(driver: asyncpg.Connection, batch: Sequence[AuditEntry]) -> None:
    """Write entries in the transaction of `driver`."""
    await driver.copy_records_to_table(
        "pull_audit",
        schema_name="roster_publisher",
        columns=_COLUMNS,
        records=[_row(entry) for entry in batch],
    )
    last = _last_of(batch)
    if last:
        keys = sorted(last)
        await driver.execute(
            _KEEP_LAST,
            [key[0] for key in keys],
            [key[1] for key in keys],
            [key[2] for key in keys],
            [last[key] for key in keys],
        )


def _last_of(batch: Iterable[AuditEntry]) -> Mapping[tuple[str, str, str], datetime]:
    found: dict[tuple[str, str, str], datetime] = {}
    for entry in batch:
        if not entry.is_delivery:
            continue
        for entity in entry.entities:
            key = (entry.district_id, entry.client_id, entity)
            found[key] = max(entry.at, found.get(key, entry.at))
    return found


def _row(entry: AuditEntry) -> tuple[object, ...]:
    return (
        entry.district_id,
        entry.client_id,
        entry.at,
        entry.door,
        entry.what,
        entry.detail,
        list(entry.entities),
        entry.status,
        entry.rows,
        entry.revision,
        entry.ms,
        entry.by,
    )


def _kept(row: asyncpg.Record) -> KeptEntry:
    values = dict(row)
    audit_id, by = values.pop("audit_id"), values.pop("operator")
    entities = tuple(values.pop("entities"))
    return KeptEntry(audit_id=audit_id, entry=AuditEntry(**values, entities=entities, by=by))
