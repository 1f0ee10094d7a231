"""Remove the packages of vendors whose agreement ended, or who are no vendors any more.

Safe to run in several processes, and twice. Source: ADR 0027.
"""

from collections.abc import Mapping

from roster_publisher.ports import Clock
from roster_publisher.ports.exporting import ExportDesk, Shelf


class TakeBackPackages:
    """All folders that were ever written, of settings of today or not."""

    def __init__(self, desk: ExportDesk, shelf: Shelf, clock: Clock) -> None:
        self._desk = desk
        self._shelf = shelf
        self._clock = clock

    async def __call__(self) -> Mapping[str, int]:
        """How many files went from which folders. A vendor that comes back begins with bulk."""
        removed: dict[str, int] = {}
        for one in await self._desk.ended(self._clock.now()):
            await self._desk.begin_anew(one)
            count = await self._shelf.empty(one.folder)
            if count:
                removed[one.folder] = count
            else:
                # Not with the last file: who was writing when the grant ended may still end.
                await self._desk.forget(one)
        return removed
