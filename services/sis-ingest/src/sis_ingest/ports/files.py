"""Raw bulk files on our disk."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from roster_common.errors import Invalid


class TooLarge(Invalid):
    """More bytes came than the door takes; what was read is thrown away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A raw file on our disk, synced; `name` is all that the store needs to find it again."""

    name: str
    size_bytes: int
    sha256: str


class SnapshotFiles(Protocol):
    """Raw bulk files."""

    async def store(
        self, name: str, chunks: AsyncIterator[bytes], *, limit_bytes: int
    ) -> StoredFile:
        """Returns when the bytes are on disk for good. Raises `TooLarge`, leaving nothing."""
        ...

    def path(self, name: str) -> Path | None:
        """Where the file is, or None when it is gone."""
        ...

    async def remove(self, name: str) -> None:
        """Removes the file, whole or half written. May run twice."""
        ...

    async def untouched(self, since: datetime) -> Sequence[str]:
        """Names of the files, whole or half written, that were last written before `since`."""
        ...
