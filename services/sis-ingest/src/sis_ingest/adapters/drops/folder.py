"""A folder of this machine, or one that is mounted here.

A mount that hangs holds a thread for ever: each drop has its own single one, so that nobody else
waits for it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from sis_ingest.domain.drops import Listed, put_aside_name
from sis_ingest.ports.drops import DropFailed, DropFault

_PIECE_BYTES: Final = 1024 * 1024
P = ParamSpec("P")
T = TypeVar("T")


class FolderDrop:
    """`ports.Drop`, and what it opens: there is nothing to open."""

    def __init__(self, path: Path, *, move_to: str | None, call_s: float = 30.0) -> None:
        """`move_to` is where taken files go, from `path`; it has to be on the same disk.

        `call_s` is how long one call may take.
        """
        self._path = path
        self._aside = None if move_to is None else path / move_to
        self._call_s = call_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="drop")

    @asynccontextmanager
    async def open(self) -> AsyncIterator["FolderDrop"]:
        """See the port."""
        yield self

    @property
    def moves(self) -> bool:
        """See the port."""
        return self._aside is not None

    async def listed(self) -> Sequence[Listed]:
        """See the port."""
        return await self._call("no_folder", _listed, self._path)

    async def read(self, file: Listed) -> AsyncIterator[bytes]:
        """See the port."""
        path = self._path / file.name
        handle = await self._call("changed_while_read", os.open, path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            while piece := await self._call("failed", os.read, handle, _PIECE_BYTES):
                yield piece
        finally:
            os.close(handle)
        if await self._call("changed_while_read", _look_at, path) != file:
            raise DropFailed("changed_while_read")

    async def put_aside(self, file: Listed) -> None:
        """See the port."""
        if self._aside is not None:
            target = self._aside / put_aside_name(file)
            await self._call("not_moved", _move, self._path / file.name, target, file)

    async def _call(
        self, otherwise: DropFault, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """One call in the drop's thread; `otherwise` is what a missing file means."""
        future = self._thread.submit(work, *args, **kwargs)
        try:
            async with asyncio.timeout(self._call_s):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise DropFailed("timed_out") from None
        except (FileNotFoundError, NotADirectoryError):
            raise DropFailed(otherwise) from None
        except OSError as error:
            denied: DropFault = "not_allowed" if isinstance(error, PermissionError) else "failed"
            raise DropFailed(otherwise if otherwise == "not_moved" else denied) from None


def _listed(folder: Path) -> Sequence[Listed]:
    with os.scandir(folder) as entries:
        return [
            _as_listed(entry.name, entry.stat(follow_symlinks=False))
            for entry in entries
            if entry.is_file(follow_symlinks=False)
        ]


def _look_at(path: Path) -> Listed:
    return _as_listed(path.name, path.lstat())


def _as_listed(name: str, found: os.stat_result) -> Listed:
    modified_at = datetime.fromtimestamp(found.st_mtime, UTC)
    return Listed(name=name, size_bytes=found.st_size, modified_at=modified_at)


def _move(path: Path, target: Path, file: Listed) -> None:
    """Looked at after it was moved: before that it could still become another one, not taken yet,
    which goes back to be taken.
    """
    if target.exists():
        raise FileExistsError
    path.rename(target)
    if _as_listed(file.name, target.lstat()) != file and not path.exists():
        target.rename(path)
