"""A folder on an SFTP server, by asyncssh. The host key is pinned; nothing of ~/.ssh is read.

Each look is a connection of its own: looks are minutes apart, and servers end idle ones.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final

import asyncssh

from sis_ingest.domain.drops import Listed, put_aside_name
from sis_ingest.ports.drops import DropFailed, DropFault

_CLOSE_S: Final = 5.0
_KINDS: Final = (
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "rsa-sha2-512", "rsa-sha2-256",
)  # fmt: skip
# asyncssh fetches one piece in many requests at once; it is held in memory.
_PIECE_BYTES: Final = 4 * 1024 * 1024
_PLAIN: Final = (asyncssh.FILEXFER_TYPE_REGULAR, asyncssh.FILEXFER_TYPE_UNKNOWN)
# The last second of the calendar; a server may say anything.
_LATEST: Final = 253_402_300_799


def is_host_key(text: str) -> bool:
    """Whether it can be pinned: kind and base64, as `ssh-keyscan` prints behind the host."""
    try:
        asyncssh.import_public_key(text)
    except asyncssh.KeyImportError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a server may take, in seconds: to let us in, and for one call."""

    connect_s: float = 20.0
    call_s: float = 30.0


class SftpDrop:
    """`ports.Drop`. Signs in with the key in `key_file`, or with `password`."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        username: str,
        password: str | None,
        key_file: Path | None,
        host_key: str,
        folder: str,
        move_to: str | None,
        patience: Patience = Patience(),
    ) -> None:
        self._at = (host, port)
        self._username = username
        self._password = password
        self._key_file = key_file
        self._host_key = asyncssh.import_public_key(host_key)
        self._folder = PurePosixPath(folder)
        self._aside = None if move_to is None else self._folder / move_to
        self._patience = patience

    @asynccontextmanager
    async def open(self) -> AsyncIterator["OpenSftp"]:
        """See the port."""
        async with _bounded("failed", within_s=self._patience.connect_s):
            connection = await self._connect()
        try:
            async with _bounded("failed", within_s=self._patience.call_s):
                client = await connection.start_sftp_client()
            yield OpenSftp(client, self._folder, self._aside, call_s=self._patience.call_s)
        finally:
            connection.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await connection.wait_closed()
            connection.abort()

    async def _connect(self) -> asyncssh.SSHClientConnection:
        host, port = self._at
        return await asyncssh.connect(
            host,
            port,
            username=self._username,
            password=self._password,
            client_keys=None if self._key_file is None else [_key(self._key_file)],
            known_hosts=([self._host_key], [], []),
            server_host_key_algs=_first_of(self._host_key),
            config=None,
            agent_path=None,
            keepalive_interval=self._patience.call_s / 2,
        )


class OpenSftp:
    """`ports.OpenDrop` on one connection."""

    def __init__(
        self,
        client: asyncssh.SFTPClient,
        folder: PurePosixPath,
        aside: PurePosixPath | None,
        *,
        call_s: float,
    ) -> None:
        self._client = client
        self._folder = folder
        self._aside = aside
        self._call_s = call_s

    @property
    def moves(self) -> bool:
        """See the port."""
        return self._aside is not None

    async def listed(self) -> Sequence[Listed]:
        """See the port."""
        async with _bounded("no_folder", within_s=self._call_s):
            entries = await self._client.readdir(bytes(self._folder))
        return [
            _as_listed(_text(entry.filename), entry.attrs)
            for entry in entries
            if entry.attrs.type in _PLAIN
        ]

    async def read(self, file: Listed) -> AsyncIterator[bytes]:
        """See the port."""
        path = self._folder / file.name
        async with _bounded("changed_while_read", within_s=self._call_s):
            handle = await self._client.open(path, "rb")
        try:
            at = 0
            while piece := await self._piece(handle, at):
                at += len(piece)
                yield piece
        finally:
            with suppress(TimeoutError, OSError, asyncssh.Error):
                async with asyncio.timeout(_CLOSE_S):
                    await handle.close()
        async with _bounded("changed_while_read", within_s=self._call_s):
            found = await self._client.lstat(path)
        if _as_listed(file.name, found) != file:
            raise DropFailed("changed_while_read")

    async def put_aside(self, file: Listed) -> None:
        """See the port. Servers refuse to rename over a file."""
        if self._aside is None:
            return
        path, target = self._folder / file.name, self._aside / put_aside_name(file)
        async with _bounded("not_moved", within_s=self._call_s):
            await self._client.rename(path, target)
            # Another one by now, not taken yet: it goes back to be taken.
            if _as_listed(file.name, await self._client.lstat(target)) != file:
                await self._client.rename(target, path)

    async def _piece(self, handle: asyncssh.SFTPClientFile, at: int) -> bytes:
        async with _bounded("changed_while_read", within_s=self._call_s):
            return await handle.read(_PIECE_BYTES, at)


@asynccontextmanager
async def _bounded(otherwise: DropFault, *, within_s: float) -> AsyncIterator[None]:
    """One call on the server; `otherwise` is what it means that the server cannot do it."""
    try:
        async with asyncio.timeout(within_s):
            yield
    except TimeoutError:
        raise DropFailed("timed_out") from None
    except asyncssh.PermissionDenied:
        raise DropFailed("login_refused") from None
    except asyncssh.HostKeyNotVerifiable:
        raise DropFailed("host_key_changed") from None
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection):
        raise DropFailed("unreachable") from None
    except asyncssh.SFTPPermissionDenied:
        raise DropFailed("not_allowed" if otherwise != "not_moved" else otherwise) from None
    except asyncssh.SFTPError:
        raise DropFailed(otherwise) from None
    except (OSError, asyncssh.Error):
        raise DropFailed("unreachable") from None


def _first_of(key: asyncssh.SSHKey) -> list[str]:
    """The pinned kind first, then all others: a server that has only those is told from one that
    is not there.
    """
    return [*(name.decode() for name in key.sig_algorithms), *_KINDS]


def _key(file: Path) -> asyncssh.SSHKey:
    """Read anew each time, so that a new key needs no restart."""
    try:
        return asyncssh.read_private_key(file)
    except (OSError, ValueError):
        raise DropFailed("no_key") from None


def _as_listed(name: str, attrs: asyncssh.SFTPAttrs) -> Listed:
    seconds = min(max(attrs.mtime or 0, 0), _LATEST)
    modified_at = datetime.fromtimestamp(seconds, UTC)
    return Listed(name=name, size_bytes=attrs.size or 0, modified_at=modified_at)


def _text(name: str | bytes) -> str:
    """What is no UTF-8 stays as something that is not printable, and so is nobody's file."""
    return name if isinstance(name, str) else name.decode(errors="surrogateescape")
