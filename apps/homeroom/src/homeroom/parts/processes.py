"""Starts and stops one child process: own process group, log file, bounded waits.

Shared by the starters of this room and by the supervisor. Knows no part by name.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from homeroom.parts import leash
from homeroom.parts.owner import Owner
from roster_common.errors import HomeroomError

POLL_S = 0.02
LOG_TAIL_BYTES = 2_000

# Linux tells a child of the end of the thread that made it, so one thread makes them all and
# lives as long as the process; a thread of an event loop's pool would end with its loop.
SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


class ChildFailed(HomeroomError):
    """The child ended early or did not become ready in time; `tail` is the end of its log."""

    def __init__(self, name: str, what: str, *, tail: str) -> None:
        super().__init__(f"{name} {what}")
        self.name = name
        self.tail = tail


@dataclass(slots=True, kw_only=True)
class Child:
    """A running child. Its group is signalled, so its own children end with it."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals = signal.SIGTERM
    _stopped: bool = field(default=False)

    @property
    def pid(self) -> int:
        """The process id, which is also the process group's."""
        return self.process.pid

    def alive(self) -> bool:
        """Whether it still runs; reaps it if not."""
        return self.process.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, within_s: float) -> None:
        """Returns when `ready()` holds; raises `ChildFailed` if the child ends or time is up."""
        deadline = time.monotonic() + within_s
        while not ready():
            if not self.alive():
                what = f"ended with exit code {self.process.returncode}"
                raise ChildFailed(self.name, what, tail=self.log_tail())
            if time.monotonic() > deadline:
                what = f"was not ready within {within_s:g} s"
                raise ChildFailed(self.name, what, tail=self.log_tail())
            time.sleep(POLL_S)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the whole group; a group that is gone is fine."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def stop(self, *, within_s: float = 10.0) -> int:
        """Asks it to stop, kills it after `within_s`; returns the exit code. May run twice."""
        if self._stopped:
            return self.process.returncode
        if self.alive():
            self.process.send_signal(self.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=within_s)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL to what is left of the group; returns the exit code. May run twice."""
        if not self._stopped:
            self.send(signal.SIGKILL)
            self.process.wait(timeout=10.0)
            self._stopped = True
        return self.process.returncode

    def log_tail(self) -> str:
        """The last two kilobytes of its log."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            return log.read().decode("utf-8", "replace")


def start_child(
    name: str,
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    owner: Owner | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    stdin: bytes | None = None,
) -> Child:
    """Starts `argv` (its first item an absolute path) with its output appended to `log`.

    On Linux the child gets `stop_signal` when this process ends, however it ends. `env` replaces
    the whole environment. `stdin` is written and closed at once: the way for a secret that must
    not stand on a command line.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    uid, gid = (-1, -1) if owner is None or owner.uid is None else (owner.uid, owner.gid)
    prefix = [sys.executable, "-I", "-S", leash.__file__]
    with log.open("ab") as output:
        process = SPAWNER.submit(
            subprocess.Popen[bytes],
            [*prefix, str(os.getpid()), str(int(stop_signal)), str(uid), str(gid), *argv],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        ).result()
    if process.stdin is not None and stdin is not None:
        with process.stdin as pipe:
            pipe.write(stdin)
    return Child(name=name, log=log, process=process, stop_signal=stop_signal)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago; be ready to try another."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_answers(port: int, *, host: str = "127.0.0.1", timeout_s: float = 0.5) -> bool:
    """Whether something accepts a TCP connection there now."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False
