"""Purge pulls whose time is over, and pages of pulls that ended: a crash leaves them behind."""

from dataclasses import dataclass
from datetime import timedelta

from sis_ingest.ports import Clock
from sis_ingest.ports.pull_stores import PullFiles
from sis_ingest.ports.sources import Sources
from sis_ingest.ports.units import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgePulls:
    """Forgets what ended longer than `keep` ago. What they brought are runs, kept as such.

    What was asked for before that and is open still goes on, unless its source is pulled no more:
    then it fails.
    """

    units: Units
    sources: Sources
    pages: PullFiles
    clock: Clock
    keep: timedelta

    async def __call__(self) -> tuple[int, int]:
        """How many pulls and how many leftovers of pages. Commits; may run twice."""
        # Looked at first: what begins meanwhile has no pages in the list.
        kept = await self.pages.kept()
        now = self.clock.now()
        async with self.units.begin("run") as unit:
            forgotten = await unit.pulls.forget(before=now - self.keep)
            await unit.pulls.end_orphans(
                before=now - self.keep,
                now=now,
                places=[source.place for source in self.sources.all() if source.pulling],
            )
            still_open = await unit.pulls.open_of(kept)
        left = [pull_id for pull_id in kept if pull_id not in still_open]
        for pull_id in left:
            await self.pages.drop(pull_id)
        return forgotten, len(left)
