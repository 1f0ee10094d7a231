"""What writing packages by schedule needs: where each export stands, and a place for files."""

from collections.abc import AsyncIterator
from typing import Protocol

from roster_publisher.domain.export_schedule import ExportStanding, ScheduledExport


class ExportDesk(Protocol):
    """Where exports stand. Each call is its own transaction."""

    async def of(self, export: ScheduledExport) -> ExportStanding:
        """As it stands; at the beginning for one never seen."""
        ...

    async def claim(
        self, export: ScheduledExport, standing: ExportStanding
    ) -> ExportStanding | None:
        """Take it to write one package; None when another process does, or it has moved on."""
        ...

    async def renew(self, export: ScheduledExport, standing: ExportStanding) -> bool:
        """Hold it for longer. False when it is another's by now."""
        ...

    async def keep(self, export: ScheduledExport, standing: ExportStanding) -> bool:
        """Write what came of a claim and end it. False when it has moved on meanwhile."""
        ...


class Shelf(Protocol):
    """A place where a vendor finds its packages."""

    async def put(
        self, folder: str, name: str, chunks: AsyncIterator[bytes], *, prefix: str, keep: int
    ) -> None:
        """Write a file that is there whole or not at all; of those whose names begin with `prefix`
        the newest `keep` stay. What the chunks raise passes, and leaves nothing.
        """
        ...
