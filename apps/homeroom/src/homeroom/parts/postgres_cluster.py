"""One PostgreSQL cluster in one folder: made once, started, stopped, started again.

Runs the server in the foreground as our child, so it ends with us. Listens on 127.0.0.1 only and
asks for a password, because every local user can reach a loopback port and a superuser of the
database can run programs.
"""

import contextlib
import fcntl
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from homeroom.parts import postgres_admin
from homeroom.parts.owner import Owner
from homeroom.parts.postgres_programs import Programs
from homeroom.parts.processes import Child, ChildFailed, free_port, start_child
from roster_common.errors import HomeroomError

USER = "homeroom"
DATABASE = "homeroom"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
PORT_ATTEMPTS = 3
STATUS_LINE = 7  # of postmaster.pid, counted from 0

SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "jit": "off",
    # A statement and an error's DETAIL hold values of rows; a log line may not.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
# Loses committed work when the machine dies, not when one of our processes is killed.
FORGETFUL_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class ClusterBusy(HomeroomError):
    """Another process of ours holds this folder."""


@dataclass(slots=True, kw_only=True)
class Cluster:
    """A cluster under `home`; `start` and `stop` may alternate."""

    home: Path
    programs: Programs
    owner: Owner
    durable: bool
    port: int = 0
    child: Child | None = None
    _lock: IO[str] | None = field(default=None)

    @property
    def data(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.home / "data"

    @property
    def url(self) -> str:
        """Where it listens, with its password: never print it."""
        password = (self.home / "password").read_text(encoding="utf-8").strip()
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Makes the cluster if needed and starts it; returns when it answers.

        Raises `ClusterBusy` if another process runs it, `ChildFailed` if it does not start, and
        `subprocess.SubprocessError` if it cannot be made.
        """
        self._take_lock()
        try:
            self._stop_orphan()
            if not (self.data / "PG_VERSION").exists():
                self._make()
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, nothing committed is lost. May run twice."""
        if self.child is not None:
            self.child.stop(within_s=STOP_TIMEOUT_S)
            self.child = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """SIGKILL to the server and all its sessions, as a crash would. May run twice."""
        if self.child is not None:
            # Each session leads a group of its own, so the group's signal misses them.
            sessions = _sessions(self.child.pid)
            self.child.kill()
            for session in sessions:
                with contextlib.suppress(psutil.NoSuchProcess):
                    session.kill()
            psutil.wait_procs(sessions, timeout=STOP_TIMEOUT_S)
            self.child = None

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        lock = (self.home / "lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise ClusterBusy(str(self.home)) from None
        self._lock = lock

    def _stop_orphan(self) -> None:
        """Ends a server of this folder that outlived its starter, and sweeps a stale pid file."""
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists():
            return
        first_line = pid_file.read_text(encoding="utf-8").partition("\n")[0]
        for process in _server_of(int(first_line), data=self.data):
            process.send_signal(signal.SIGINT)
            process.wait(timeout=STOP_TIMEOUT_S)
        pid_file.unlink(missing_ok=True)

    def _make(self) -> None:
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self.owner.give(fresh)
        password = self.home / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_hex(24), encoding="utf-8")
        self.owner.give(password)
        self._initdb(fresh, password)
        fresh.rename(self.data)

    def _initdb(self, data: Path, password: Path) -> None:
        # Byte order sorts alike on every system; the character type knows letters with accents.
        character_type = "UTF-8" if sys.platform == "darwin" else "C.UTF-8"
        arguments = [
            str(self.programs.folder / "initdb"), "-D", str(data), "-U", USER,
            "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8",
            "--lc-collate=C", f"--lc-ctype={character_type}", "--lc-messages=C",
            *([] if self.durable else ["--no-sync"]),
        ]  # fmt: skip
        child = start_child(
            "initdb", arguments, log=self.home / "initdb.log", cwd=self.home, owner=self.owner
        )
        try:
            code = child.process.wait(timeout=START_TIMEOUT_S * 2)
        except subprocess.TimeoutExpired:
            child.kill()
            raise
        if code != 0:
            raise ChildFailed("initdb", f"ended with exit code {code}", tail=child.log_tail())

    def _launch(self) -> None:
        for attempt in range(1, PORT_ATTEMPTS + 1):
            self.port = self.port or free_port()
            self.child = self._start_server()
            try:
                self.child.wait_until(self._ready, within_s=START_TIMEOUT_S)
                break
            except ChildFailed as failure:
                taken = "could not create any TCP/IP sockets" in failure.tail
                if not taken or attempt == PORT_ATTEMPTS:
                    raise
                self.port = 0
        admin = postgres_admin.with_database(self.url, "postgres")
        if not postgres_admin.exists(admin, database=DATABASE):
            postgres_admin.execute(admin, f"CREATE DATABASE {DATABASE}")

    def _start_server(self) -> Child:
        settings = SERVER_SETTINGS | ({} if self.durable else FORGETFUL_SETTINGS)
        options = [f"--{name}={value}" for name, value in settings.items()]
        program = str(self.programs.folder / "postgres")
        return start_child(
            "postgres",
            [program, "-D", str(self.data), f"--port={self.port}", *options],
            log=self.home / "postgres.log",
            cwd=self.home,
            owner=self.owner,
            stop_signal=signal.SIGINT,
        )

    def _ready(self) -> bool:
        # The server says so itself, in the last line of its pid file, once it takes connections.
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return [line.strip() for line in lines[STATUS_LINE:]] == ["ready"]


def _sessions(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _server_of(pid: int, *, data: Path) -> Iterator[psutil.Process]:
    # A stale pid may by now be any process: only a server of this very folder is touched.
    try:
        process = psutil.Process(pid)
        command = process.cmdline()
    except psutil.Error:
        return
    if str(data) in command and process.is_running():
        yield process
