"""An emulated SIS for the demo: a program of its own that imports nothing of ours, on loopback.

Not a live system, and says so itself. Its README tells which facts it rests on.
"""

import http.client
import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from homeroom.parts.missing import Missing
from homeroom.parts.processes import Child, ChildFailed, start_child

PART: Final = "sis-emulator"
MODULE: Final = "sis_emulators"
START_TIMEOUT_S: Final = 60.0
ANSWER_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningEmulator:
    """The emulator of one product. `told` is its credentials file: addresses and secrets."""

    face: str
    told: Mapping[str, str]
    child: Child
    port: int

    def __str__(self) -> str:
        return f"{self.face} emulator, not a live system"

    def schools(self) -> Sequence[Mapping[str, Any]]:
        """The schools of its office, as its back door words them. Raises ChildFailed without."""
        body = _read(self.port, "/_clerk/schools")
        if body is None:
            raise ChildFailed(PART, "does not tell its schools", tail=self.child.log_tail())
        records: list[Mapping[str, Any]] = json.loads(body)["records"]
        return [one for one in records if not one["gone"]]

    def stop(self) -> None:
        """Stops it; what it held is gone. May run twice."""
        self.child.stop()


def start_emulator(
    face: str, *, folder: Path, log: Path, port: int, students: int
) -> RunningEmulator | Missing:
    """Starts it with a made-up district of that size and returns when it answers."""
    if importlib.util.find_spec(MODULE) is None:
        return Missing(part=PART, reason="it is not installed; `make demo` installs it")
    credentials = folder / f"{face}.json"
    command = [sys.executable, "-m", MODULE, face, f"--port={port}", f"--students={students}"]
    child = start_child(PART, [*command, f"--credentials={credentials}"], log=log)
    try:
        child.wait_until(lambda: _read(port, "/_evidence") is not None, within_s=START_TIMEOUT_S)
    except ChildFailed as failure:
        child.kill()
        return Missing(part=PART, reason=f"{failure}; see {child.log}")
    told = json.loads(credentials.read_text("utf-8"))
    return RunningEmulator(face=face, told=told, child=child, port=port)


def _read(port: int, path: str) -> bytes | None:
    """The page, or None where there is no answer or no good one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.read() if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
