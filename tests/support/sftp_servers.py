"""Two SFTP servers, not of one family: asyncssh in this process, and Debian's sshd as a process."""

import asyncio
import getpass
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from sis_ingest.adapters.drops.sftp import Patience, SftpDrop
from tests.support.eventually import eventually
from tests.support.ports import own_port

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PASSWORD = "a-made-up-password"
USER = "district"


@dataclass(frozen=True, slots=True, kw_only=True)
class SftpServer:
    """A running server. `folder` is what it shows, `at` its path over there."""

    port: int
    username: str
    folder: Path
    at: str
    host_key: str
    key_file: Path

    def drop(self, **other: object) -> SftpDrop:
        """Its folder as the service is told of it; `other` replaces what it is told."""
        told: dict[str, object] = {
            "host": "127.0.0.1",
            "port": self.port,
            "username": self.username,
            "password": None,
            "key_file": self.key_file,
            "host_key": self.host_key,
            "folder": self.at,
            "move_to": None,
            "patience": Patience(connect_s=10, call_s=10),
        }
        return SftpDrop(**{**told, **other})  # type: ignore[arg-type]


class _Doorkeeper(asyncssh.SSHServer):
    def __init__(self, key: asyncssh.SSHKey) -> None:
        self._key = key.convert_to_public()

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key == self._key


@asynccontextmanager
async def in_process(folder: Path) -> AsyncIterator[SftpServer]:
    """asyncssh's server, shut into `folder`; takes a key or PASSWORD."""
    host, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    key_file = folder.parent / "key"
    key.write_private_key(key_file)
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: _Doorkeeper(key),
        server_host_keys=[host],
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=os.fsencode(folder)),
    )
    yield SftpServer(
        port=server.get_port(),
        username=USER,
        folder=folder,
        at="/",
        host_key=host.export_public_key().decode().strip(),
        key_file=key_file,
    )
    server.close()
    await server.wait_closed()


@asynccontextmanager
async def openssh() -> AsyncIterator[SftpServer]:
    """Debian's sshd with its own SFTP server; takes a key. Started by root it runs as nobody."""
    username = "nobody" if os.geteuid() == 0 else getpass.getuser()
    port = own_port()
    with tempfile.TemporaryDirectory(prefix="sshd-") as made:
        home = Path(made)
        host, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        host.write_private_key(home / "host")
        (home / "host").chmod(0o600)
        key.write_private_key(home / "key")
        key.write_public_key(home / "authorized")
        folder = home / "left-here"
        folder.mkdir()
        config = home / "sshd.conf"
        config.write_text(_CONFIG.format(port=port, home=home, user=username))
        if os.geteuid() == 0:
            for path in (home, *home.iterdir()):
                shutil.chown(path, "nobody", "nogroup")
        process = await asyncio.create_subprocess_exec(
            *(str(SSHD), "-D", "-E", str(home / "log"), "-f", str(config)),
            **(_NOBODY if os.geteuid() == 0 else {}),
        )
        try:
            await eventually(lambda: _answers(port), what="sshd answers")
            yield SftpServer(
                port=port,
                username=username,
                folder=folder,
                at=str(folder),
                host_key=host.export_public_key().decode().strip(),
                key_file=home / "key",
            )
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


_NOBODY = {"user": "nobody", "group": "nogroup", "extra_groups": ()}


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host
AuthorizedKeysFile {home}/authorized
PidFile none
StrictModes no
UsePAM yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowUsers {user}
Subsystem sftp internal-sftp
ForceCommand internal-sftp
"""
