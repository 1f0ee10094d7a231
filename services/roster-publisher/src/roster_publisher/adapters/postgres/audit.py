"""`AuditTrail` and `AuditReads` on PostgreSQL: written in the background, in batches.

A read never waits for its entry. What could not be written waits in bounded memory for the next
turn; what no longer fits there is dropped and counted, and so is an entry that no table can hold.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Final, Protocol

import asyncpg
import structlog

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

# Numbers are never given out twice, also when the transaction they were read in is lost.
# house: no-district — a number is of no district
_NUMBERS: Final = """
    SELECT nextval('roster_publisher.pull_audit_id') FROM generate_series(1, $1::integer)
"""
# A batch; primary key. A line that is there already was committed by a connection that was lost.
_WRITE: Final = f"""
    INSERT INTO roster_publisher.pull_audit (audit_id, {", ".join(_COLUMNS)})
    SELECT audit_id, district_id, client_id, at, door, what, detail,
           string_to_array(entities, ' '), status, rows, revision, ms, operator
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::smallint[], $10::integer[], $11::bigint[],
                $12::integer[], $13::text[])
         AS line (audit_id, {", ".join(_COLUMNS)})
    ON CONFLICT (district_id, client_id, at, audit_id) DO NOTHING
"""

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
# Some rows of each vendor of a district; primary key.
_LATEST: Final = """
    SELECT client_id, max(at) FROM roster_publisher.last_pull WHERE district_id = $1
    GROUP BY client_id
"""
# What is wrong with a line itself: it would be no better the next time.
_REFUSED: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)

logger = structlog.get_logger(__name__)


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
        # Of the first that wait: an entry keeps its number until it is known to be written.
        self._numbers: deque[int] = deque()

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
        """Write what has gathered, each line once; what could not be written stays for the next
        turn. A line that is refused alone is logged by its number and counted.
        """
        while self._waiting:
            await self._write(await self._next())

    async def _next(self) -> Sequence[KeptEntry]:
        batch = list(islice(self._waiting, _AT_ONCE))
        if missing := len(batch) - len(self._numbers):
            async with self._database.begin() as tx:
                self._numbers.extend(await _take_numbers(await tx.driver(), missing))
        return _numbered(self._numbers, batch)

    async def _write(self, lines: Sequence[KeptEntry]) -> None:
        """Write the first that wait; of a batch that is refused, its halves."""
        outcome = "written"
        try:
            async with self._database.begin() as tx:
                await _write_lines(await tx.driver(), lines)
                failpoint("publisher.audit.before_commit")
        except _REFUSED as error:
            if len(lines) > 1:
                half = len(lines) // 2
                await self._write(lines[:half])
                await self._write(lines[half:])
                return
            _log_refused(lines[0], error)
            outcome = "refused"
        for _ in lines:
            self._waiting.popleft()
            self._numbers.popleft()
        metric("audit_entries_total").labels(outcome=outcome).inc(len(lines))

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

    async def latest_pulls(self, district_id: str) -> Mapping[str, datetime]:
        """By client id, when each vendor of a district was last given anything."""
        async with self._database.begin() as tx:
            rows = await (await tx.driver()).fetch(_LATEST, district_id)
        return {row[0]: row[1] for row in rows}


async def write_entry(driver: asyncpg.Connection, entry: AuditEntry) -> None:
    """Write one in the transaction of `driver`."""
    await _write_lines(driver, _numbered(await _take_numbers(driver, 1), [entry]))


async def _take_numbers(driver: asyncpg.Connection, many: int) -> Sequence[int]:
    return [row[0] for row in await driver.fetch(_NUMBERS, many)]


def _numbered(numbers: Iterable[int], entries: Sequence[AuditEntry]) -> Sequence[KeptEntry]:
    return [
        KeptEntry(audit_id=number, entry=entry)
        for number, entry in zip(numbers, entries, strict=False)
    ]


async def _write_lines(driver: asyncpg.Connection, lines: Sequence[KeptEntry]) -> None:
    await driver.execute(_WRITE, *map(list, zip(*map(_row, lines), strict=True)))
    last = _last_of(line.entry for line in lines)
    if last:
        keys = sorted(last)
        await driver.execute(
            _KEEP_LAST,
            [key[0] for key in keys],
            [key[1] for key in keys],
            [key[2] for key in keys],
            [last[key] for key in keys],
        )


def _log_refused(line: KeptEntry, error: Exception) -> None:
    """Ids alone: the error's own words may hold what the line does."""
    logger.error(
        "audit_line_refused",
        district_id=line.entry.district_id,
        client_id=line.entry.client_id,
        audit_id=line.audit_id,
        why=type(error).__name__,
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


def _row(line: KeptEntry) -> tuple[object, ...]:
    entry = line.entry
    return (
        line.audit_id,
        entry.district_id,
        entry.client_id,
        entry.at,
        entry.door,
        entry.what,
        entry.detail,
        " ".join(entry.entities),
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
