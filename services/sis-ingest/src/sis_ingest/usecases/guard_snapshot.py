"""Guard a staged snapshot: judge what it would remove and add as a whole, before any of it is done.

What may go is reserved in the budget; what may not is moved from the staged rows into a hold, and
everything else of the same file goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from roster_common.holds import trips
from sis_ingest.domain.changes import Cause
from sis_ingest.domain.guards import LIMITS, WINDOW, GuardKey
from sis_ingest.domain.runs import Counts, Run
from sis_ingest.domain.snapshots import Collection, Wanted
from sis_ingest.ports import Clock
from sis_ingest.ports.units import Unit, Units
from sis_ingest.usecases.keep_hold import KeepHold


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSnapshot:
    """Asks every guard about one run."""

    units: Units
    clock: Clock
    keep: KeepHold

    async def __call__(
        self, run: Run, collections: Sequence[Collection], *, whole: Sequence[Collection]
    ) -> Run:
        """The run with what is held and in which holds. Commits per collection.

        A dry run counts and leaves everything as it is. May run twice: what an earlier attempt
        did is in the counts, what it reserved is judged again with the rest.
        """
        for collection in collections:
            async with self.units.begin("run") as unit:
                await unit.lock_district(run.place.district_id)
                if not run.dry_run:
                    shrunk = await unit.guarded.overtake(
                        run, collection.entity, whole=collection in whole
                    )
                    await self.keep.shrunk(unit, run.place.district_id, shrunk)
                for key in LIMITS:
                    if key[0] == collection.entity:
                        run = await self._judge(unit, run, key)
                if not run.dry_run:
                    await unit.runs.save(run)
        return run

    async def _judge(self, unit: Unit, run: Run, key: GuardKey) -> Run:
        place, counts, now = run.place, run.report.counts(key[0]), self.clock.now()
        wanted = await unit.guarded.wanted(run, key, now=now)
        if wanted.total == 0:
            return run
        done = counts.removed + counts.deleted if key[1] == "remove" else counts.added
        spent = await unit.budget.spent(place, since=now - WINDOW, but_for=run.run_id)
        others = spent.get(key, 0)
        active = await unit.budget.active(place, key[0])
        limit = self.keep.limits(place)[key]
        gone = others + done
        population = active + gone if key[1] == "remove" else max(active - gone, 0)

        def too_many(more: int) -> bool:
            return not _exempt(run, key) and trips(
                limit, wanted=more, spent=gone, population=population
            )

        if not too_many(wanted.total):
            waiting = 0
        elif wanted.held and not too_many(wanted.total - wanted.held):
            # What waits already goes on waiting, and holds up nothing that came since.
            waiting = wanted.held
        else:
            waiting = wanted.total
        if run.dry_run:
            return _foretold(run, key, wanted, waiting=waiting)
        going = wanted.total - waiting + done
        if going and not _exempt(run, key):
            await self._reserve(unit, run, key, going, now)
        if not waiting:
            return run
        hold = await self.keep.fill(
            unit,
            place,
            key,
            population=population,
            cause=Cause(
                correlation_id=run.correlation_id,
                delivery_id=run.delivery_id,
                origin=run.origin or "snapshot",
            ),
            run_id=run.run_id,
            fill=lambda hold: unit.guarded.hand_over(run, hold, fresh=waiting == wanted.total),
        )
        run = _with_held(run, key, waiting)
        holds = tuple(dict.fromkeys((*run.report.holds, hold.hold_id)))
        return replace(run, report=replace(run.report, holds=holds))

    async def _reserve(
        self, unit: Unit, run: Run, key: GuardKey, count: int, now: datetime
    ) -> None:
        await unit.budget.spend(
            run.place, key, count, cause_id=run.run_id, now=now, window_begins=now - WINDOW
        )


def _exempt(run: Run, key: GuardKey) -> bool:
    return key[1] == "add" and run.origin == "firstload"


def _foretold(run: Run, key: GuardKey, wanted: Wanted, *, waiting: int) -> Run:
    """The counts of a dry run: what would go, and what would wait."""
    told_waiting = {0: 0, wanted.held: wanted.told_held, wanted.total: wanted.told}[waiting]
    run = _with_held(run, key, waiting)
    counts = run.report.counts(key[0])
    told = wanted.told - told_waiting
    counts = replace(counts, changed=counts.changed - told_waiting)
    if key[1] == "remove":
        counts = replace(counts, deleted=told, removed=wanted.total - waiting - told)
    else:
        counts = replace(counts, added=told)
    return replace(run, report=run.report.with_counts(key[0], counts))


def _with_held(run: Run, key: GuardKey, waiting: int) -> Run:
    entity, operation = key
    counts: Counts = run.report.counts(entity)
    held = (
        replace(counts, held_removals=waiting)
        if operation == "remove"
        else replace(counts, held_additions=waiting)
    )
    return replace(run, report=run.report.with_counts(entity, held))
