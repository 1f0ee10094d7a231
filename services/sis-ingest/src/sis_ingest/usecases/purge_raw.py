"""Purge raw deliveries whose time is over, and files that nothing refers to, in small steps.

What remains of a delivery are its ids, times and outcome.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sis_ingest.ports import Clock
from sis_ingest.ports.files import SnapshotFiles
from sis_ingest.ports.sources import Sources
from sis_ingest.ports.units import Units

STEP: Final = 200
# A file without a run is being uploaded, or its process died between file and row.
STRAY_AFTER: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """How many bodies and files were forgotten, and files that no run referred to."""

    bodies: int
    files: int
    strays: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeRaw:
    """Forgets raw bytes that are older than `keep`. What waits is kept however old it is, unless
    its source was taken out of the settings: then it is refused.
    """

    units: Units
    sources: Sources
    files: SnapshotFiles
    clock: Clock
    keep: timedelta

    async def __call__(self) -> Purged:
        """What was forgotten. Commits per step; may run twice and in two processes."""
        return Purged(
            bodies=await self._bodies(), files=await self._files(), strays=await self._strays()
        )

    async def _bodies(self) -> int:
        now = self.clock.now()
        async with self.units.begin("purge") as unit:
            await unit.raw.refuse_orphans(
                before=now - self.keep,
                now=now,
                sources=[source.place.source_id for source in self.sources.all()],
            )
        done, step = 0, STEP
        while step == STEP:
            now = self.clock.now()
            async with self.units.begin("purge") as unit:
                step = await unit.raw.purge_bodies(before=now - self.keep, now=now, limit=STEP)
            done += step
        return done

    async def _files(self) -> int:
        """The file first, then its row: a crash between them removes what is gone already."""
        done, step = 0, STEP
        while step == STEP:
            now = self.clock.now()
            async with self.units.begin("purge") as unit:
                due = await unit.raw.due_files(before=now - self.keep, limit=STEP)
                for file in due:
                    await self.files.remove(file.name)
                if due:
                    await unit.raw.purged(due, now=now)
            step = len(due)
            done += step
        return done

    async def _strays(self) -> int:
        names = await self.files.untouched(self.clock.now() - STRAY_AFTER)
        done = 0
        for start in range(0, len(names), STEP):
            some = names[start : start + STEP]
            async with self.units.begin("run") as unit:
                known = await unit.raw.known(some)
            for name in some:
                if name not in known:
                    await self.files.remove(name)
                    done += 1
        return done
