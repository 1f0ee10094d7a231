"""A thread reads the next rows of a file while the store compares these; never two at once, and
never while a transaction waits for it.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

import asyncpg
import pytest

from roster_common.runtime.database import Database
from roster_common.runtime.sealing import Seal
from sis_ingest.adapters.postgres.units import PostgresUnits
from sis_ingest.domain.snapshots import Chunk, Collection, RawRow, Rows
from sis_ingest.usecases.stage_snapshot import StageSnapshot
from tests.support.eventually import eventually
from tests.support.ingesting import NOW, RUN

# Of a wait that must end without what it waits for: long against whatever a broken one takes.
IN_VAIN_S = 3.0
# Of one that ends with it, and hangs no thread for ever where it does not.
FOR_LONG_S = 300.0


@dataclass(kw_only=True)
class TwoChunks:
    """`ports.OpenSnapshot` of two rows, a chunk each; before the second it waits for `go`."""

    first_id: str = "course-1"
    go: threading.Event = field(default_factory=threading.Event)
    wait_s: float = 0.0
    let_go: bool = False
    second_read: threading.Event = field(default_factory=threading.Event)
    collections: Sequence[Collection] = (
        Collection(entity="course", file="courses.csv", mode="bulk"),
    )
    warnings: tuple[()] = ()
    unpacked_bytes: int = 2

    def chunks(self, _collection: Collection, *, rows: int) -> Iterator[Chunk]:
        """A chunk each, however many rows there may be."""
        assert rows > 1
        yield Chunk(rows=(_row(2, self.first_id),), problems=(), bytes_read=1)
        self.let_go = self.go.wait(self.wait_s)
        self.second_read.set()
        yield Chunk(rows=(_row(3, "course-2"),), problems=(), bytes_read=1)

    def read(self, _collection: Collection, rows: Sequence[RawRow]) -> Rows:
        """Nothing of it can be read."""
        del rows
        return Rows(good=(), refused=())

    def close(self) -> None:
        """Nothing to give back."""


@pytest.fixture
async def units(ingest_url: str) -> AsyncIterator[PostgresUnits]:
    """Of which a statement waits as long as it must."""
    database = Database(ingest_url, name="test", pool_size=1, lock_timeout_s=60.0)
    yield PostgresUnits(database, lambda _event: None, Seal([bytes(32)]))  # type: ignore[arg-type,return-value]
    await database.close()


async def test_the_next_rows_are_read_while_the_store_compares_these(
    units: PostgresUnits, ingest_url: str
) -> None:
    content = TwoChunks()
    busy = await asyncpg.connect(ingest_url)
    try:
        lock = busy.transaction()
        await lock.start()
        await busy.execute("LOCK TABLE sis_ingest.snapshot_row IN EXCLUSIVE MODE")
        async with asyncio.TaskGroup() as group:
            staging = group.create_task(StageSnapshot(units=units)(RUN, content))
            await eventually(content.second_read.is_set, what="the second row is read")
            assert not staging.done()
            await lock.rollback()
    finally:
        await busy.close()

    assert staging.result().report.counts("course").read == 2


async def test_nobody_reads_on_when_the_store_has_failed(units: PostgresUnits) -> None:
    content = TwoChunks(first_id="no\0text", wait_s=IN_VAIN_S)

    with pytest.raises(asyncpg.DataError):
        await StageSnapshot(units=units)(RUN, content)

    content.go.set()
    await eventually(content.second_read.is_set, what="the thread has ended")
    assert not content.let_go, "it read on after the file was given back"


async def test_no_transaction_is_open_while_the_next_rows_are_long_in_coming(
    units: PostgresUnits, ingest_url: str
) -> None:
    """The server would end it: it is idle, for as long as the rows before tell nothing new."""
    content = TwoChunks(wait_s=FOR_LONG_S)
    await _knows_the_first_row(ingest_url)
    async with asyncio.TaskGroup() as group:
        staging = group.create_task(StageSnapshot(units=units)(RUN, content))
        try:
            await eventually(lambda: _is_compared(ingest_url), what="the first row is compared")
            assert not content.second_read.is_set()
        finally:
            content.go.set()

    assert staging.result().report.counts("course").read == 2


async def test_nobody_reads_on_when_the_run_is_cut_off(
    units: PostgresUnits, ingest_url: str
) -> None:
    content = TwoChunks(wait_s=FOR_LONG_S)
    await _knows_the_first_row(ingest_url)
    staging = asyncio.create_task(StageSnapshot(units=units)(RUN, content))
    try:
        await eventually(lambda: _is_compared(ingest_url), what="the first row is compared")

        staging.cancel()
        ended, _ = await asyncio.wait({staging}, timeout=IN_VAIN_S)
    finally:
        content.go.set()

    assert not ended, "the file was given back while a thread read it"
    with pytest.raises(asyncio.CancelledError):
        await staging
    assert content.second_read.is_set()


async def _knows_the_first_row(url: str) -> None:
    store = await asyncpg.connect(url)
    try:
        await store.execute(
            "INSERT INTO sis_ingest.source_record (district_id, source_id, entity, external_id,"
            " data, content_hash, raw_hash, occurred_at, deleted, delivery_id)"
            " VALUES ('d1', 'sis', 'course', 'course-1', '{}', '', $1, $2, false, $3)",
            b"h",
            NOW,
            RUN.delivery_id,
        )
    finally:
        await store.close()


async def _is_compared(url: str) -> bool:
    """Whether everybody sees it: no transaction holds it back."""
    store = await asyncpg.connect(url)
    try:
        return bool(await store.fetchval("SELECT EXISTS (SELECT FROM sis_ingest.snapshot_row)"))
    finally:
        await store.close()


def _row(number: int, external_id: str) -> RawRow:
    return RawRow(row=number, external_id=external_id, raw_hash=b"h", cells=())
