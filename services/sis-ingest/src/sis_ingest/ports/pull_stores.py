"""Where pulls are kept: pages on disk until they are a file, and how far each has come.

A port of this service like those beside it; imports the domain, and what an item is, only.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.pulls import Pull, Standing
from sis_ingest.domain.schedule import PullMode
from sis_ingest.ports.pulls import Item


class PullFiles(Protocol):
    """Raw pages on disk, until the pull is a file of its own."""

    async def append(self, pull_id: str, section: str, items: Sequence[Item], *, at: int) -> int:
        """Throws away what stands after byte `at`, adds the items, syncs; the new size."""
        ...

    def packed(
        self, pull_id: str, sizes: Mapping[str, int], manifest: Mapping[str, Any]
    ) -> AsyncIterator[bytes]:
        """The whole pull as one file, in pieces."""
        ...

    async def drop(self, pull_id: str) -> None:
        """Forgets the pages. May run twice."""
        ...

    async def kept(self) -> Sequence[str]:
        """Ids of pulls that have pages here."""
        ...

    async def hold(self, pull_id: str, sizes: Mapping[str, int]) -> bool:
        """Whether of each section at least so many bytes are here."""
        ...


class Pulls(Protocol):
    """Pulls within a transaction."""

    async def add(self, pull: Pull) -> bool:
        """Keeps a new pull; False when one of the source is open already."""
        ...

    async def save(self, pull: Pull) -> None:
        """Overwrites what may change of a pull."""
        ...

    async def open_of(self, pull_ids: Sequence[str]) -> frozenset[str]:
        """Which of these wait or are at work."""
        ...

    async def end_orphans(
        self, *, before: datetime, now: datetime, places: Sequence[Place]
    ) -> None:
        """Fails open pulls asked for `before` of sources that are pulled no more: not in `places`.

        Of every district. Their reason is `unknown_source`.
        """
        ...

    async def forget(self, *, before: datetime) -> int:
        """Deletes what ended `before`, of every district; how many.

        The newest of each source, mode and end (its run's too) stays: the next one begins there.
        """
        ...


class PullDesk(Protocol):
    """Reads of pulls outside any transaction of ours."""

    async def open(self, place: Place) -> Pull | None:
        """The source's pull that waits or was left running."""
        ...

    async def last(self, place: Place, mode: PullMode | None) -> Pull | None:
        """The last good pull of the source, of one mode or of any: one whose run has completed."""
        ...

    async def standings(self, places: Sequence[Place]) -> Mapping[str, Standing]:
        """How these sources stand, by source; one that was never pulled stands at nothing."""
        ...

    async def get(self, pull_id: str) -> Pull | None:
        """The pull, or None. `pull_id` may be any text."""
        ...

    async def page(
        self, districts: Collection[str] | None, source_id: str | None, *, limit: int, offset: int
    ) -> tuple[int, Sequence[Pull]]:
        """(how many there are, one page, newest first); None means every district."""
        ...
