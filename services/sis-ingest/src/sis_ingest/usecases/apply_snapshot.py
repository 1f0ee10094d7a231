"""Apply a staged snapshot: what differs from what the source said before, batch by batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from sis_ingest.domain.changes import Cause, Change, Verdict
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.runs import Counts, Run
from sis_ingest.domain.snapshots import Collection, Sieve, StagedRow
from sis_ingest.ports import Units
from sis_ingest.usecases.record_changes import RecordChanges
from sis_ingest.usecases.stage_snapshot import READ_PERCENT

BATCH_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplySnapshot:
    """Turns differing rows into changes of the run's source."""

    units: Units
    record_changes: RecordChanges

    async def __call__(
        self, run: Run, collections: Sequence[Collection], applied: Mapping[Entity, int]
    ) -> Run:
        """The run with final counts. Commits per batch, progress included.

        `applied` counts what an earlier attempt at this run changed: those rows are the same by
        now, and still count as changed.
        """
        sieves = await self._sieve(run, collections)
        total = sum(sieve.differing for sieve in sieves.values())
        for collection in collections:
            entity, sieve = collection.entity, sieves[collection.entity]
            changed = applied.get(entity, 0)
            counts = replace(
                run.report.counts(entity),
                changed=changed,
                unchanged=max(sieve.same - changed, 0),
                missing=sieve.missing if collection.mode == "bulk" else 0,
            )
            run = replace(run, report=run.report.with_counts(entity, counts))
        done = 0
        for collection in collections:
            after = ("", -1)
            left = sieves[collection.entity].differing
            while left > 0:
                run, rows = await self._batch(run, collection.entity, after, done, total)
                if not rows:
                    break
                after = (rows[-1].sort_key, rows[-1].row)
                done += len(rows)
                left -= len(rows)
        return run

    async def _sieve(self, run: Run, collections: Sequence[Collection]) -> Mapping[Entity, Sieve]:
        async with self.units.begin("stage") as unit:
            return {c.entity: await unit.staging.sieve(run, c.entity) for c in collections}

    async def _batch(
        self, run: Run, entity: Entity, after: tuple[str, int], done: int, total: int
    ) -> tuple[Run, Sequence[StagedRow]]:
        async with self.units.begin("snapshot_batch") as unit:
            await unit.lock_district(run.place.district_id)
            rows = await unit.staging.differing(run, entity, after=after, limit=BATCH_ROWS)
            changes = [_change(run, entity, row) for row in rows]
            verdicts = await self.record_changes(unit, run.place, changes)
            share = (done + len(rows)) / max(total, 1)
            moved = replace(
                run,
                percent=min(READ_PERCENT + int((100 - READ_PERCENT) * share), 99),
                report=run.report.with_counts(
                    entity, _counted(run.report.counts(entity), verdicts)
                ),
            )
            await unit.runs.save(moved)
        return moved, rows


def _counted(before: Counts, verdicts: Sequence[Verdict]) -> Counts:
    changed = sum(v in (Verdict.NEW, Verdict.CHANGED) for v in verdicts)
    return replace(
        before,
        changed=before.changed + changed,
        unchanged=before.unchanged + len(verdicts) - changed,
    )


def _change(run: Run, entity: Entity, row: StagedRow) -> Change:
    return Change(
        entity=entity,
        external_id=row.external_id,
        record=orjson.loads(row.body),
        content_hash=row.content_hash,
        deleted=row.deleted,
        version=None,
        occurred_at=run.as_of,
        cause=Cause(
            correlation_id=run.correlation_id,
            delivery_id=run.delivery_id,
            origin=run.origin or "snapshot",
        ),
    )
