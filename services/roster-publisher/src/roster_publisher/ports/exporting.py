"""What writing packages by schedule needs: where each export stands, and a place for files."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from roster_publisher.domain.export_schedule import ExportStanding, FilledFolder, ScheduledExport


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

    async def ended(self, now: datetime) -> Sequence[FilledFolder]:
        """Folders written for clients of whom none has a grant in force."""
        ...

    async def begin_anew(self, folder: FilledFolder) -> None:
        """What is written there next is bulk."""
        ...

    async def forget(self, folder: FilledFolder) -> None:
        """Nothing is there any more."""
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

    async def empty(self, folder: str) -> int:
        """Remove all packages of ours, finished or not; how many there were."""
        ...
