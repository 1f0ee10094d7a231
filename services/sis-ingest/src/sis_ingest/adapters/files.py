"""Raw bulk files on disk, whatever is in them: written once, synced, kept by name."""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from roster_common.runtime.failpoints import failpoint
from sis_ingest.ports.files import StoredFile, TooLarge

_NAME: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BUFFER_BYTES: Final = 1024 * 1024
# Student data: no other user of the machine reads it.
_OURS_ALONE: Final = 0o700


class DiskSnapshotFiles:
    """`ports.SnapshotFiles` in one folder, made on first use. The folder must outlive a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def store(
        self, name: str, chunks: AsyncIterator[bytes], *, limit_bytes: int
    ) -> StoredFile:
        """See the port. Disk work runs in threads, so that no request waits for it."""
        await asyncio.to_thread(self._folder.mkdir, _OURS_ALONE, parents=True, exist_ok=True)
        part = self._part(name)
        digest = hashlib.sha256()
        size = 0
        with part.open("wb") as file:
            try:
                async for buffer in _buffered(chunks):
                    size += len(buffer)
                    if size > limit_bytes:
                        raise TooLarge("too_large")
                    await asyncio.to_thread(_write, file, digest, buffer)
                await asyncio.to_thread(_sync, file, part, self._path(name))
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        failpoint("ingest.snapshot.file_synced")
        return StoredFile(name=name, size_bytes=size, sha256=digest.hexdigest())

    def path(self, name: str) -> Path | None:
        """See the port."""
        path = self._path(name)
        return path if path.is_file() else None

    async def remove(self, name: str) -> None:
        """See the port."""
        path = self._path(name)
        for one in (path, self._part(name)):
            await asyncio.to_thread(one.unlink, missing_ok=True)

    async def untouched(self, since: datetime) -> Sequence[str]:
        """See the port. Names that are none of ours are left alone."""
        return await asyncio.to_thread(self._untouched, since.timestamp())

    def _untouched(self, since: float) -> Sequence[str]:
        if not self._folder.is_dir():
            return ()
        ours = [path for path in self._folder.iterdir() if _NAME.fullmatch(path.stem)]
        return sorted({path.stem for path in ours if _is_older(path, since)})

    def _part(self, name: str) -> Path:
        return self._folder / f"{name}.part"

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            message = "file names are run ids"
            raise ValueError(message)
        return self._folder / f"{name}.raw"


async def _buffered(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces: one trip to a thread per megabyte, not per packet."""
    pieces: list[bytes] = []
    held = 0
    async for chunk in chunks:
        pieces.append(chunk)
        held += len(chunk)
        if held >= _BUFFER_BYTES:
            yield b"".join(pieces)
            pieces, held = [], 0
    if pieces:
        yield b"".join(pieces)


def _is_older(path: Path, since: float) -> bool:
    """Whether it was written before; one that is renamed or removed meanwhile is in use."""
    try:
        return path.stat().st_mtime < since
    except FileNotFoundError:
        return False


def _write(file: BinaryIO, digest: "hashlib._Hash", buffer: bytes) -> None:
    digest.update(buffer)
    file.write(buffer)


def _sync(file: BinaryIO, part: Path, final: Path) -> None:
    """Bytes first, then the name, then the folder: after this a power cut loses nothing."""
    file.flush()
    os.fsync(file.fileno())
    part.replace(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
