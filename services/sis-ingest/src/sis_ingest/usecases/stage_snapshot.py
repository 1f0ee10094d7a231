"""Stage a snapshot: its rows, normalised and hashed, beside the truth and not in it."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from sis_ingest.domain.runs import MAX_PROBLEMS, REPEATED, Counts, Report, RowRefusal, Run, tally
from sis_ingest.domain.snapshots import Chunk, Collection, RawRow, Rows, StagedRow, seen
from sis_ingest.ports.snapshots import OpenSnapshot
from sis_ingest.ports.units import Units

Found = TypeVar("Found")

CHUNK_ROWS: Final = 2_000
# Where the progress bar stands when everything is read.
READ_PERCENT: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSnapshot:
    """Reads a snapshot chunk by chunk, in a thread, into the staging rows of its run."""

    units: Units

    async def __call__(self, run: Run, snapshot: OpenSnapshot) -> Run:
        """The run with its counts, refusals and problems. Commits twice per chunk.

        Reads to the end even when problems show up, so that all are named at once (up to a
        hundred). No transaction is open while a thread reads: the server ends one that is idle for
        long, and a chunk may be long in coming where rows before it tell nothing new.
        """
        # What an earlier attempt did is kept: another crash here must not lose the count.
        kept = {entity: _done(counts) for entity, counts in run.report.collections.items()}
        report = replace(run.report, collections=kept, refusals=(), problems=())
        done_bytes = 0
        for collection in snapshot.collections:
            chunks = snapshot.chunks(collection, rows=CHUNK_ROWS)
            chunk = await asyncio.to_thread(next, chunks, None)
            while chunk is not None:
                done_bytes += chunk.bytes_read
                percent = READ_PERCENT * done_bytes // max(snapshot.unpacked_bytes, 1)
                run = replace(run, percent=min(percent, READ_PERCENT))
                known, following = await _while_reading(chunks, self._known(run, collection, chunk))
                fresh = [row for row in chunk.rows if row.row not in known]
                rows = await _read(snapshot, collection, fresh)
                report = _counted(report, collection, chunk, rows)
                run = replace(run, report=report)
                async with self.units.begin("stage") as unit:
                    await unit.staging.put(run, collection.entity, _staged(fresh, rows))
                    await unit.runs.save(run)
                chunk = following
        async with self.units.begin("stage") as unit:
            await unit.staging.weigh()
        for collection in snapshot.collections:
            report = await self._without_repeated(run, collection, report)
        return replace(run, report=report, percent=READ_PERCENT)

    async def _known(self, run: Run, collection: Collection, chunk: Chunk) -> Set[int]:
        """Stages what is known as it stands. Commits."""
        async with self.units.begin("stage") as unit:
            return await unit.staging.put_known(run, collection.entity, chunk.rows)

    async def _without_repeated(self, run: Run, collection: Collection, report: Report) -> Report:
        async with self.units.begin("stage") as unit:
            repeated = await unit.staging.drop_repeated(run, collection.entity)
        refused = [
            RowRefusal(file=collection.file, row=row, reason=REPEATED, field="sourcedId")
            for row in repeated
        ]
        counts = report.counts(collection.entity)
        counts = replace(counts, refused=counts.refused + len(refused))
        return replace(
            report.with_counts(collection.entity, counts),
            refusals=tally(report.refusals, refused),
        )


def _done(counts: Counts) -> Counts:
    return Counts(
        changed=counts.changed,
        removed=counts.removed,
        deleted=counts.deleted,
        added=counts.added,
        rekeyed=counts.rekeyed,
    )


async def _while_reading(
    chunks: Iterator[Chunk], work: Awaitable[Found]
) -> tuple[Found, Chunk | None]:
    """What `work` of the database gives, and the next chunk, which a thread reads meanwhile.

    Both have ended on return, also when one failed or the caller was cancelled: a snapshot is read
    by one thread at a time, and closed by none while one reads.
    """
    following = asyncio.ensure_future(asyncio.to_thread(next, chunks, None))
    try:
        # A future that is cancelled leaves its thread reading.
        return await work, await asyncio.shield(following)
    finally:
        await asyncio.gather(following, return_exceptions=True)


async def _read(snapshot: OpenSnapshot, collection: Collection, fresh: Sequence[RawRow]) -> Rows:
    """What rows say that are not known as they stand."""
    rows = await asyncio.to_thread(snapshot.read, collection, fresh)
    nameless = {row.row for row in fresh if not row.external_id}
    return replace(
        rows, refused=tuple(_nameless(one, nameless, collection) for one in rows.refused)
    )


def _staged(fresh: Sequence[RawRow], rows: Rows) -> Sequence[StagedRow]:
    """In full what is new, by id what was refused."""
    refused = {refusal.row for refusal in rows.refused}
    return [*rows.good, *(seen(row) for row in fresh if row.row in refused and row.external_id)]


def _nameless(refusal: RowRefusal, rows: Set[int], collection: Collection) -> RowRefusal:
    """A row without an id is refused for that, whatever else is wrong with it: only so it is known
    that somebody may be missed. Source: ADR 0008.
    """
    if refusal.row not in rows or refusal.field == collection.id_field:
        return refusal
    return replace(refusal, reason="missing", field=collection.id_field)


def _counted(report: Report, collection: Collection, chunk: Chunk, rows: Rows) -> Report:
    before = report.counts(collection.entity)
    counts = replace(
        before, read=before.read + len(chunk.rows), refused=before.refused + len(rows.refused)
    )
    return replace(
        report.with_counts(collection.entity, counts),
        refusals=tally(report.refusals, rows.refused),
        problems=(report.problems + chunk.problems)[:MAX_PROBLEMS],
    )
