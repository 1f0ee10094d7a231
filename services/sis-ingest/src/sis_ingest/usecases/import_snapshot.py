"""Import a snapshot: read all of it, judge the file, and only then apply what differs.

Reading stages rows and writes nothing else, so a refused run leaves no trace in the truth. A run
cut off at any moment is read again: what was applied by then no longer differs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from roster_common.holds import trips
from sis_ingest.domain.deliveries import DeliveryEnd
from sis_ingest.domain.events import SnapshotMoved
from sis_ingest.domain.guards import KEY_CHANGES
from sis_ingest.domain.runs import MAX_ATTEMPTS, Problem, Run, RunState, too_many_bad
from sis_ingest.domain.snapshots import NOTHING_READ, Collection, idleness, is_whole, moments
from sis_ingest.ports import Clock
from sis_ingest.ports.files import SnapshotFiles
from sis_ingest.ports.snapshots import OpenSnapshot, SnapshotLimits, SnapshotReader, SnapshotRefused
from sis_ingest.ports.sources import Source
from sis_ingest.ports.units import Units
from sis_ingest.usecases.apply_snapshot import ApplySnapshot
from sis_ingest.usecases.link_snapshot import LinkSnapshot
from sis_ingest.usecases.stage_snapshot import StageSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSnapshot:
    """Carries one run from waiting (or left running) to its end."""

    units: Units
    files: SnapshotFiles
    clock: Clock
    limits: SnapshotLimits
    stage: StageSnapshot
    link: LinkSnapshot
    apply: ApplySnapshot

    async def __call__(self, source: Source, run: Run) -> Run:
        """The ended run. Commits many times. May run twice for a run that was cut off.

        A dry run writes its report and nothing else. Raises `Retriable` when the store is away:
        the run stays open and is taken up again.
        """
        if run.attempts >= MAX_ATTEMPTS:
            return await self._end(run, "failed", (Problem(code="gave_up"),))
        run = await self._start(run)
        reader = source.pulled if run.pulled else source.snapshot
        if reader is None:
            return await self._end(run, "failed", (Problem(code="no_snapshots"),))
        try:
            snapshot = await self._open(reader, run)
        except SnapshotRefused as refused:
            return await self._end(run, "refused", refused.problems)
        try:
            return await self._import(run, snapshot)
        finally:
            await asyncio.to_thread(snapshot.close)

    async def give_up(self, run: Run, *, reason: str) -> Run:
        """The run, failed: its staged rows go and nothing keeps its file any more. Commits."""
        return await self._end(run, "failed", (Problem(code=reason),))

    async def _open(self, reader: SnapshotReader, run: Run) -> OpenSnapshot:
        path = self.files.path(run.file_name)
        if path is None:
            raise SnapshotRefused([Problem(code="file_missing")])
        return await asyncio.to_thread(reader.open, path, limits=self.limits)

    async def _import(self, run: Run, snapshot: OpenSnapshot) -> Run:
        run = replace(
            run,
            report=replace(run.report, warnings=tuple(snapshot.warnings)),
            moments=moments(snapshot.collections, run.unchanged, run.as_of),
        )
        run = await self.stage(run, snapshot)
        idle = idleness(snapshot.collections, run.report)
        run = replace(run, report=replace(run.report, warnings=(*run.report.warnings, *idle)))
        problems = run.report.problems + _broken_files(run, snapshot)
        if problems:
            return await self._end(run, "refused", problems)
        if not run.dry_run:
            run = await self._linked(run, snapshot.collections)
        run = await self.apply(run, snapshot.collections)
        if run.dry_run:
            return await self._end(run, "completed", ())
        whole = [c.entity for c in snapshot.collections if is_whole(c, run.report)]
        async with self.units.begin("run") as unit:
            await unit.runs.stated(run, whole)
        return await self._end(run, "completed", ())

    async def _linked(self, run: Run, collections: Sequence[Collection]) -> Run:
        """The run after its people were recognised, with a warning where very many were re-keyed.

        Their ids with us stay, so nothing waits: held back, the same people would be removals and
        additions. Source: ADR 0012.
        """
        rekeyed = await self.link(run, collections)
        if not rekeyed:
            return run
        async with self.units.begin("run") as unit:
            population = await unit.budget.active(run.place, "user")
        counts = run.report.counts("user")
        counts = replace(counts, rekeyed=rekeyed)
        report = run.report.with_counts("user", counts)
        if trips(KEY_CHANGES, wanted=counts.rekeyed, spent=0, population=population):
            file = next(one.file for one in collections if one.entity == "user")
            warning = Problem(code="many_key_changes", file=file)
            report = replace(report, warnings=(*report.warnings, warning))
        return replace(run, report=report)

    async def _start(self, run: Run) -> Run:
        async with self.units.begin("run") as unit:
            before = await unit.runs.completed_before(run.place)
            started = replace(
                run,
                state="running",
                # Kept over a restart: half a first load must not become an ordinary snapshot.
                origin=run.origin or ("snapshot" if before else "firstload"),
                started_at=run.started_at or self.clock.now(),
                attempts=run.attempts + 1,
            )
            await unit.staging.begin(run)
            await unit.runs.save(started)
            if run.state == "waiting" and not run.dry_run:
                unit.emit(SnapshotMoved(moment="started", run=started))
        return started

    async def _end(self, run: Run, state: RunState, problems: Sequence[Problem]) -> Run:
        reason = problems[0].code if problems else _why_nothing(run)
        ended = replace(
            run,
            state=state,
            finished_at=self.clock.now(),
            percent=100,
            reason=reason,
            report=replace(run.report, problems=tuple(problems)),
        )
        async with self.units.begin("run") as unit:
            await unit.staging.clear(run)
            await unit.runs.save(ended)
            good = ended.state == "completed"
            end = DeliveryEnd(
                delivery_id=run.delivery_id,
                state="applied" if good else "refused",
                outcome="dry_run" if good and run.dry_run else reason or "changed",
            )
            await unit.deliveries.finish(run.place, [end], now=self.clock.now())
            if not run.dry_run:
                unit.emit(SnapshotMoved(moment="completed" if good else "failed", run=ended))
        return ended


def _why_nothing(run: Run) -> str | None:
    total = run.report.total()
    if total.changed or total.removed:
        return None
    if any(warning.code == NOTHING_READ for warning in run.report.warnings):
        return NOTHING_READ
    return "held" if total.held else "nothing_changed"


def _broken_files(run: Run, snapshot: OpenSnapshot) -> tuple[Problem, ...]:
    return tuple(
        Problem(code="too_many_bad_rows", file=collection.file)
        for collection in snapshot.collections
        if too_many_bad(run.report.counts(collection.entity))
    )
