"""Our programs as operating-system processes, so that a test can kill one for real.

A service gets a small environment of its own, never the test run's.
"""

import http.client
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from homeroom.parts.processes import Child, start_child
from tests.support.ports import own_port

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")
# A killed member's partitions move after its lease: soon enough for a test to wait for.
DEFAULTS = {"PYTHONUNBUFFERED": "1", "HOMEROOM_LOG_LEASE_S": "2"}
# Bounds for a busy machine, not what is expected.
READY_TIMEOUT_S = 60.0
EXIT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A running `python -m module`; `port` is where it serves HTTP, if it does."""

    child: Child
    port: int

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the process group, for SIGSTOP and SIGCONT."""
        self.child.send(number)

    def kill(self) -> None:
        """SIGKILL, and returns when it is gone. May run twice."""
        self.child.kill()

    def stop(self, *, within_s: float = EXIT_TIMEOUT_S) -> int:
        """SIGTERM; the exit code, -9 if it had to be killed."""
        return self.child.stop(within_s=within_s)

    def wait_for_exit(self, *, within_s: float = EXIT_TIMEOUT_S) -> int:
        """The exit code of a process that ends by itself: a negative one is a signal's number."""
        code = self.child.process.wait(timeout=within_s)
        self.child.kill()
        return code

    def log(self) -> str:
        """All it has printed."""
        return self.child.log.read_text("utf-8", "replace")


def start_program(
    module: str, *, folder: Path, env: Mapping[str, str], arguments: Sequence[str] = ()
) -> Program:
    """Starts `python -m module` with `env` on top of a bare environment; does not wait.

    `HOMEROOM_PORT` is a free port unless `env` sets it. Its output is appended to a log in
    `folder`. On Linux it dies with the test run.
    """
    port = int(env.get("HOMEROOM_PORT", "0")) or own_port()
    bare = {name: os.environ[name] for name in INHERITED if name in os.environ}
    child = start_child(
        module,
        [sys.executable, "-m", module, *arguments],
        log=folder / f"{module}-{port}.log",
        env={**bare, **DEFAULTS, **env, "HOMEROOM_PORT": str(port)},
    )
    return Program(child=child, port=port)


def start_service(
    module: str,
    *,
    folder: Path,
    env: Mapping[str, str],
    ready_path: str = "/readyz",
    within_s: float = READY_TIMEOUT_S,
) -> Program:
    """As `start_program`, and returns when `ready_path` answers 200.

    Raises `ChildFailed`, with the end of its log, if it ends before or takes too long.
    """
    program = start_program(module, folder=folder, env=env)
    try:
        program.child.wait_until(
            lambda: http_status(program.port, ready_path) == http.client.OK, within_s=within_s
        )
    except BaseException as error:
        program.kill()
        # Its folder may be gone when somebody reads of it.
        error.add_note(program.child.log_tail())
        raise
    return program


def http_status(port: int, path: str) -> int | None:
    """The status of a GET on loopback, None if nothing answers within two seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
