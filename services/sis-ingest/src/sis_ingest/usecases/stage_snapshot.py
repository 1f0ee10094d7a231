"""Stage a snapshot: its rows, normalised and hashed, beside the truth and not in it."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from sis_ingest.domain.runs import MAX_PROBLEMS, Counts, Report, RowRefusal, Run, tally
from sis_ingest.domain.snapshots import Chunk, Collection
from sis_ingest.ports import OpenSnapshot, Units

CHUNK_ROWS: Final = 2_000
# Where the progress bar stands when everything is read.
READ_PERCENT: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSnapshot:
    """Reads a snapshot chunk by chunk, in a thread, into the staging rows of its run."""

    units: Units

    async def __call__(self, run: Run, snapshot: OpenSnapshot) -> Run:
        """The run with its counts, refusals and problems. Commits per chunk.

        Reads to the end even when problems show up, so that all are named at once (up to a
        hundred).
        """
        # What an earlier attempt did is kept: another crash here must not lose the count.
        kept = {entity: _done(counts) for entity, counts in run.report.collections.items()}
        report = replace(run.report, collections=kept, refusals=(), problems=())
        done_bytes = 0
        for collection in snapshot.collections:
            chunks = snapshot.chunks(collection, rows=CHUNK_ROWS)
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                report = _counted(report, collection, chunk)
                done_bytes += chunk.bytes_read
                percent = READ_PERCENT * done_bytes // max(snapshot.unpacked_bytes, 1)
                run = replace(run, report=report, percent=min(percent, READ_PERCENT))
                async with self.units.begin("stage") as unit:
                    await unit.staging.put(run, collection.entity, chunk.rows)
                    await unit.runs.save(run)
            report = await self._without_repeated(run, collection, report)
        return replace(run, report=report, percent=READ_PERCENT)

    async def _without_repeated(self, run: Run, collection: Collection, report: Report) -> Report:
        async with self.units.begin("stage") as unit:
            repeated = await unit.staging.drop_repeated(run, collection.entity)
        refused = [
            RowRefusal(file=collection.file, row=row, reason="repeated_id", field="sourcedId")
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
    )


def _counted(report: Report, collection: Collection, chunk: Chunk) -> Report:
    before = report.counts(collection.entity)
    counts = replace(
        before, read=before.read + chunk.read, refused=before.refused + len(chunk.refused)
    )
    return replace(
        report.with_counts(collection.entity, counts),
        refusals=tally(report.refusals, chunk.refused),
        problems=(report.problems + chunk.problems)[:MAX_PROBLEMS],
    )
