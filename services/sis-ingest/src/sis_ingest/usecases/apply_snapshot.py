"""Apply a staged snapshot: what differs from what the source said before, batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import orjson

from sis_ingest.domain.changes import Cause, Change, Verdict
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.runs import Counts, Problem, Run
from sis_ingest.domain.snapshots import Collection, StagedRow, is_whole
from sis_ingest.ports.units import Unit, Units
from sis_ingest.usecases.guard_snapshot import GuardSnapshot
from sis_ingest.usecases.record_changes import RecordChanges
from sis_ingest.usecases.stage_snapshot import READ_PERCENT

BATCH_ROWS: Final = 1_000
_FIRST: Final = ("", -(2**31))


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplySnapshot:
    """Turns differing rows into changes of the run's source: upserts first, deletions after."""

    units: Units
    guard: GuardSnapshot
    record_changes: RecordChanges

    async def __call__(self, run: Run, collections: Sequence[Collection]) -> Run:
        """The run with final counts. Commits per batch, progress included.

        What an earlier attempt at this run changed, removed and added is in its counts: those
        rows are the same by now, and still count as done. A dry run only counts.
        """
        whole = [collection for collection in collections if is_whole(collection, run.report)]
        run, total = await self._sieve(run, collections, whole)
        run = await self.guard(run, collections, whole=whole)
        if run.dry_run:
            return run
        done = 0
        apply = partial(self._apply, stated_beside=_states_demographics(collections))
        for collection in collections:
            run, done = await apply(run, collection.entity, done, total, deleted=False)
        # What points at a record goes before the record.
        for collection in reversed(collections):
            run, done = await apply(run, collection.entity, done, total, deleted=True)
        return run

    async def _sieve(
        self, run: Run, collections: Sequence[Collection], whole: Sequence[Collection]
    ) -> tuple[Run, int]:
        total = 0
        for collection in collections:
            async with self.units.begin("stage") as unit:
                sieve = await unit.staging.sieve(run, collection.entity, whole=collection in whole)
                stale = await unit.staging.stale(run, collection.entity) if run.dry_run else 0
            counts = run.report.counts(collection.entity)
            bulk = collection.mode == "bulk"
            counts = replace(
                counts,
                unchanged=max(counts.read - counts.refused - counts.changed - sieve.differing, 0),
                missing=counts.removed + sieve.missing if bulk else 0,
                skipped=sieve.missing - sieve.absent if bulk else 0,
            )
            if run.dry_run:
                counts = replace(
                    counts,
                    changed=sieve.differing - stale,
                    unchanged=counts.unchanged + stale,
                )
            total += sieve.differing + sieve.absent
            run = replace(run, report=run.report.with_counts(collection.entity, counts))
            run = _warned(run, collection, whole=collection in whole)
        return run, total

    async def _apply(
        self,
        run: Run,
        entity: Entity,
        done: int,
        total: int,
        *,
        deleted: bool,
        stated_beside: bool,
    ) -> tuple[Run, int]:
        async with self.units.begin("stage") as unit:
            rows = await _next(unit, run, entity, _FIRST, deleted=deleted)
        while rows:
            async with self.units.begin("snapshot_batch") as unit:
                await unit.lock_district(run.place.district_id)
                changes = [_change(run, entity, row) for row in rows]
                verdicts = await self.record_changes(
                    unit,
                    run.place,
                    changes,
                    cleared_by="budget",
                    stated_beside=stated_beside,
                )
                done += len(rows)
                share = done / max(total, 1)
                counts = _counted(run.report.counts(entity), changes, verdicts)
                run = replace(
                    run,
                    percent=min(READ_PERCENT + int((100 - READ_PERCENT) * share), 99),
                    report=run.report.with_counts(entity, counts),
                )
                await unit.runs.save(run)
                after = (rows[-1].sort_key, rows[-1].row)
                rows = await _next(unit, run, entity, after, deleted=deleted)
        return run, done


def _states_demographics(collections: Sequence[Collection]) -> bool:
    return any(collection.entity == "demographics" for collection in collections)


async def _next(
    unit: Unit, run: Run, entity: Entity, after: tuple[str, int], *, deleted: bool
) -> Sequence[StagedRow]:
    return await unit.staging.differing(run, entity, deleted=deleted, after=after, limit=BATCH_ROWS)


def _counted(before: Counts, changes: Sequence[Change], verdicts: Sequence[Verdict]) -> Counts:
    told = zip(changes, verdicts, strict=True)
    effective = [(c, v) for c, v in told if v in (Verdict.NEW, Verdict.CHANGED)]
    absent = sum(change.absent for change in changes)
    removed = sum(change.absent for change, _ in effective)
    changed = len(effective) - removed
    return replace(
        before,
        changed=before.changed + changed,
        unchanged=before.unchanged + len(verdicts) - absent - changed,
        removed=before.removed + removed,
        deleted=before.deleted
        + sum(c.deleted and not c.absent and v is Verdict.CHANGED for c, v in effective),
        skipped=before.skipped + absent - removed,
        added=before.added + sum(not c.deleted and v is Verdict.NEW for c, v in effective),
    )


def _warned(run: Run, collection: Collection, *, whole: bool) -> Run:
    """Says why nobody is missed, where somebody might be."""
    counts = run.report.counts(collection.entity)
    if whole or collection.mode == "delta":
        return run
    if counts.read == 0:
        code = "empty_collection"
    elif counts.skipped:
        code = "removals_skipped"
    else:
        return run
    warning = Problem(code=code, file=collection.file)
    return replace(run, report=replace(run.report, warnings=(*run.report.warnings, warning)))


def _change(run: Run, entity: Entity, row: StagedRow) -> Change:
    return Change(
        entity=entity,
        external_id=row.external_id,
        record=None if row.body is None else orjson.loads(row.body),
        content_hash=row.content_hash,
        deleted=row.deleted,
        version=None,
        occurred_at=run.moment(entity),
        cause=Cause(
            correlation_id=run.correlation_id,
            delivery_id=run.delivery_id,
            origin=run.origin or "snapshot",
        ),
        absent=row.absent,
        raw_hash=row.raw_hash,
    )
