"""Replay deliveries: say them again in the order they came, by the path of the first time.

A webhook keeps the moment at which it happened and a file the one it speaks of, so a newer word
wins, and guards count what is left as they count everything. Nothing is told that was told before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.replays import Replay, Said
from sis_ingest.domain.runs import Report, Run
from sis_ingest.ports import Clock, Ids
from sis_ingest.ports.desks import ReplayDesk
from sis_ingest.ports.sources import Source, Sources
from sis_ingest.ports.units import Unit, Units
from sis_ingest.usecases.apply_deliveries import (
    MAX_DELIVERIES,
    read_deliveries,
    settle_deliveries,
)
from sis_ingest.usecases.import_snapshot import ImportSnapshot
from sis_ingest.usecases.record_changes import RecordChanges

# Why a delivery cannot be said again.
PURGED: Final = "purged"
UNKNOWN_SOURCE: Final = "unknown_source"
NO_WEBHOOKS: Final = "no_webhooks"
# What it pointed at is another thing by now: a pull reads it.
ONLY_A_HINT: Final = "only_a_hint"

_ENDED: Final = ("completed", "refused", "failed")


class _Rehearsed(Exception):
    """Ends a transaction without its effects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayDeliveries:
    """Carries replays out, one batch of webhooks or one file at a time."""

    units: Units
    desk: ReplayDesk
    sources: Sources
    clock: Clock
    ids: Ids
    record_changes: RecordChanges
    import_snapshot: ImportSnapshot

    async def next(self, last: Sequence[str] = ()) -> Replay | None:
        """The replay to work on. Those of `last`, ids, come after all others and in their order."""
        return await self.desk.open(last)

    async def __call__(self, replay: Replay) -> Replay:
        """The replay after its next step; call until it has ended. Commits.

        A batch of webhooks is counted in the transaction of its effects, a file after its run, so
        a crash repeats nothing. Of a dry run each batch is judged by itself and taken back.
        """
        if replay.state == "waiting":
            replay = replace(replay, state="running", started_at=self.clock.now())
        async with self.units.begin("run") as unit:
            said = await unit.replays.next(replay, limit=MAX_DELIVERIES)
        if not said:
            return await self.end(replay, reason=None if replay.done else "nothing_read")
        first = said[0]
        if first.kind == "snapshot":
            return await self._count(replay, first.place, [await self._file(replay, first)])
        place = first.delivery.place
        batch = list(takewhile(lambda s: s.kind == "webhook" and s.delivery.place == place, said))
        return await self._webhooks(replay, place, batch)

    async def give_up(self, replay: Replay, *, reason: str) -> Replay:
        """The replay, failed, and with it the run of the file that it was at work on. Commits."""
        async with self.units.begin("run") as unit:
            said = await unit.replays.next(replay, limit=1)
        run = said[0].run if said else None
        if run is not None and run.replay_id == replay.replay_id and run.state not in _ENDED:
            await self.import_snapshot.give_up(run, reason=reason)
        return await self.end(replay, reason=reason, failed=True)

    async def end(self, replay: Replay, *, reason: str | None, failed: bool = False) -> Replay:
        """The replay, over; what it has not said yet stays unsaid. Commits."""
        ended = replace(
            replay,
            state="failed" if failed else "completed",
            finished_at=self.clock.now(),
            reason=reason,
        )
        async with self.units.begin("replay") as unit:
            await unit.replays.done(ended, None)
            await unit.replays.save(ended)
        return ended

    async def _webhooks(self, replay: Replay, place: Place, batch: Sequence[Said]) -> Replay:
        source = self.sources.get(place.source_id)
        refusal = _refusal(source)
        if source is None or refusal is not None:
            return await self._count(replay, batch[-1].place, [refusal or ""] * len(batch))
        if replay.dry_run:
            outcomes: Sequence[str] = ()
            try:
                async with self.units.begin("run") as unit:
                    outcomes = await self._settle(unit, source, batch)
                    raise _Rehearsed
            except _Rehearsed:
                return await self._count(replay, batch[len(outcomes) - 1].place, outcomes)
        async with self.units.begin("replay") as unit:
            outcomes = await self._settle(unit, source, batch)
            return await _counted(unit, replay, batch[len(outcomes) - 1].place, outcomes)

    async def _settle(self, unit: Unit, source: Source, batch: Sequence[Said]) -> Sequence[str]:
        """What became of the first ones: fewer than given when they tell very many changes."""
        if source.webhook is None:
            return [NO_WEBHOOKS] * len(batch)
        await unit.lock_district(source.place.district_id)
        read = read_deliveries(source.webhook, [said.delivery for said in batch])
        ends = await settle_deliveries(self.record_changes, unit, source.place, read)
        return [
            PURGED if said.purged else end.outcome for said, end in zip(batch, ends, strict=False)
        ]

    async def _file(self, replay: Replay, said: Said) -> str:
        """What became of the file. Commits many times; takes up a run that was cut off."""
        source = self.sources.get(said.delivery.place.source_id)
        if said.purged:
            return PURGED
        if source is None or said.run is None:
            return UNKNOWN_SOURCE
        run = said.run
        if run.replay_id is None:
            run = self._run(replay, run)
            async with self.units.begin("run") as unit:
                await unit.runs.add(run)
        if run.state not in _ENDED:
            run = await self.import_snapshot(source, run)
        if run.state != "completed":
            return run.reason or run.state
        return run.reason or "changed"

    def _run(self, replay: Replay, before: Run) -> Run:
        """A run over the same file, under the cause it came with."""
        return replace(
            before,
            run_id=self.ids.new_id(),
            replay_id=replay.replay_id,
            state="waiting",
            origin=None,
            received_at=self.clock.now(),
            as_of=replay.as_of or before.as_of,
            unchanged={} if replay.as_of else before.unchanged,
            dry_run=replay.dry_run,
            started_at=None,
            finished_at=None,
            attempts=0,
            percent=0,
            reason=None,
            report=Report(),
        )

    async def _count(self, replay: Replay, place: int, outcomes: Sequence[str]) -> Replay:
        async with self.units.begin("replay") as unit:
            return await _counted(unit, replay, place, outcomes)


async def _counted(unit: Unit, replay: Replay, place: int, outcomes: Sequence[str]) -> Replay:
    counted = replay.after(outcomes)
    await unit.replays.done(counted, place)
    await unit.replays.save(counted)
    return counted


def _refusal(source: Source | None) -> str | None:
    if source is None:
        return UNKNOWN_SOURCE
    if source.hints is not None:
        return ONLY_A_HINT
    return NO_WEBHOOKS if source.webhook is None else None
