"""Ask for a pull: an operator's, or the schedule's."""

from collections.abc import Callable
from dataclasses import dataclass

from sis_ingest.domain.pulls import Pull
from sis_ingest.domain.schedule import PullMode, Schedule, due, may_begin
from sis_ingest.ports import Clock, Ids
from sis_ingest.ports.pull_stores import PullDesk
from sis_ingest.ports.pulls import FILTER_REFUSED
from sis_ingest.ports.sources import Source
from sis_ingest.ports.units import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPull:
    """Puts pulls where `PullSource` finds them. `poke` wakes it; called after the commit."""

    units: Units
    desk: PullDesk
    clock: Clock
    ids: Ids
    poke: Callable[[], None]

    async def __call__(
        self, source: Source, mode: PullMode, *, correlation_id: str, dry_run: bool = False
    ) -> Pull | None:
        """The waiting pull, or None when one of the source is open already. Commits.

        A delta without a good pull before it becomes a full one, and so does one of a source that
        cannot say what changed.
        """
        last = await self.desk.last(source.place, None)
        since = None if last is None else last.mark
        pull = Pull(
            pull_id=self.ids.new_id(),
            correlation_id=correlation_id,
            place=source.place,
            mode="full" if since is None else mode,
            state="waiting",
            asked_at=self.clock.now(),
            since=since,
            dry_run=dry_run,
        )
        async with self.units.begin("run") as unit:
            added = await unit.pulls.add(pull)
        if added:
            self.poke()
        return pull if added else None

    async def scheduled(self, source: Source, schedule: Schedule) -> Pull | None:
        """The pull that is due now, kept; None when none is, or the last one is not over.

        A source whose last good pull refused to tell what changed is asked for that once a day.
        """
        now = self.clock.now()
        if not may_begin(schedule, now):
            return None
        standing = (await self.desk.standings([source.place])).get(source.place.source_id)
        if standing is not None and not standing.may_be_followed(now):
            return None
        full = await self.desk.last(source.place, "full")
        latest = await self.desk.last(source.place, None)
        mode = due(
            schedule,
            now,
            last_full=None if full is None else full.started_at,
            last_any=None if latest is None else latest.started_at,
            refuses_deltas=latest is not None and latest.full_because == FILTER_REFUSED,
        )
        unmarked = latest is not None and latest.mark is None
        if mode is None or (mode == "delta" and unmarked):
            return None
        return await self(source, mode, correlation_id=self.ids.new_id())
