"""Remove the packages of vendors whose agreement ended, or who are no vendors any more.

Safe to run in several processes, and twice. Source: ADR 0027.
"""

from collections.abc import Sequence

from roster_publisher.domain.export_schedule import FilledFolder
from roster_publisher.ports import Clock
from roster_publisher.ports.exporting import ExportDesk, Shelf


class TakeBackPackages:
    """Folder by folder, of settings of today or not."""

    def __init__(self, desk: ExportDesk, shelf: Shelf, clock: Clock) -> None:
        self._desk = desk
        self._shelf = shelf
        self._clock = clock

    async def ended(self) -> Sequence[FilledFolder]:
        """The folders in which nothing may be left now."""
        return await self._desk.ended(self._clock.now())

    async def __call__(self, folder: FilledFolder) -> int:
        """How many files went. A vendor that comes back begins with bulk."""
        await self._desk.begin_anew(folder)
        count = await self._shelf.empty(folder.folder)
        if not count:
            # Not with the last file: who was writing when the grant ended may still end.
            await self._desk.forget(folder)
        return count
