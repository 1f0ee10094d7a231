"""Runs `homeroom demo` as an operating-system process, on ports of its own."""

import itertools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from homeroom.layout import EMULATOR_OFFSET, SCIM_OFFSET
from tests.support.ports import blocks, claim

PROCESSES = 5
FIRST = 21_001
TAIL = 3_000


def free_port_base() -> int:
    """A first port whose followers, and those of directory and emulator, are free at the moment.

    Tests that run beside each other look in ranges of their own, and whole runs take the hundreds
    of no other run while there are any: what is free now may be taken a second later.
    """
    firsts = blocks(FIRST)
    mine = filter(claim, firsts)
    for base in itertools.chain(mine, firsts):
        wanted = [*range(base, base + PROCESSES), base + SCIM_OFFSET, base + EMULATOR_OFFSET]
        if all(map(_is_free, wanted)):
            return base
    raise AssertionError("no free range of ports")


def start_demo(
    home: Path, *options: str, within_s: float = 540
) -> subprocess.CompletedProcess[str]:
    """Run it to its end in the folder `home`, whatever the end is."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "homeroom", "demo"),
            *("--folder", str(home), "--port-base", str(free_port_base())),
            *options,
        ],
        env={**os.environ, "CI": "true"},
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )


def run_demo(folder: Path, *options: str, within_s: float = 540) -> dict[str, Any]:
    """Run it below `folder`, assert exit code 0, and return the evidence."""
    home = folder / "demo"
    ended = start_demo(home, *options, within_s=within_s)
    assert ended.returncode == 0, ended.stdout[-TAIL:] + ended.stderr[-TAIL:]
    # The last step reads everything there is, and shows how far it is.
    assert "rows read: " in ended.stdout
    evidence: dict[str, Any] = json.loads((home / "evidence.json").read_text(encoding="utf-8"))
    return evidence


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
