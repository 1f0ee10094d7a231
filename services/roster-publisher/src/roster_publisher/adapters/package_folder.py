"""`Shelf` on a folder: a package appears under its name when all of it is on the disk."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Final

from roster_publisher.domain.export_schedule import is_package

_PART: Final = ".part"


class PackageFolder:
    """One folder per vendor below `root`. Files are readable by their owner and group alone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(
        self, folder: str, name: str, chunks: AsyncIterator[bytes], *, prefix: str, keep: int
    ) -> None:
        """Write a file that is there whole or not at all."""
        place = self._root / folder
        # Named for this writing alone: what appears in the end is what was written here.
        part = place / f".{name}.{secrets.token_hex(8)}{_PART}"
        file = await asyncio.to_thread(_open, place, part, prefix)
        try:
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(_publish, file, part, place / name)
        finally:
            file.close()
            part.unlink(missing_ok=True)
        await asyncio.to_thread(_thin_out, place, prefix, keep)

    async def empty(self, folder: str) -> int:
        """Remove all packages of ours, finished or not; others' files stay."""
        return await asyncio.to_thread(_empty, self._root / folder)


def _open(place: Path, part: Path, prefix: str) -> IO[bytes]:
    """A fresh file beside its place. What others began goes: they were killed, or lost their turn
    and cannot publish any more.
    """
    place.mkdir(mode=0o750, parents=True, exist_ok=True)
    for left in place.glob(f".{prefix}*{_PART}"):
        left.unlink(missing_ok=True)
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb")


def _publish(file: IO[bytes], part: Path, target: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    part.replace(target)
    held = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def _empty(place: Path) -> int:
    found = [path for path in place.glob("*") if is_package(path.name)]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _thin_out(place: Path, prefix: str, keep: int) -> None:
    found = sorted(place.glob(f"{prefix}*.zip"), key=lambda path: path.name)
    for old in found[:-keep]:
        old.unlink(missing_ok=True)
