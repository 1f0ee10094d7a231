"""Runs `homeroom demo` and kills one of its processes at moments that a seed chooses.

A moment is a line of the demo's own output and a short while after it, so that a slow machine
meets the same places of the story as a quick one.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from homeroom.layout import Layout
from homeroom.ownership import read_running
from tests.support.demo import free_port_base
from tests.support.eventually import eventually_sync

MOMENTS = (
    "services start",
    "count the file's rows",
    "post the zip",
    "read the zip",
    "roster is complete",
    "choose who plays",
    "A new student is enrolled",
    "A student has another family name",
    "A student moves to another class",
    "A student moves to another school",
    "A student leaves the district",
    "The help desk writes a ticket",
    "An export lacks a third of the students",
)
FIRST_LOAD = MOMENTS[:4]
LONGEST_WAIT_S = 0.4


@dataclass(slots=True, kw_only=True)
class Plan:
    """Which process dies, and after which lines: always one in the first load, the others later."""

    victim: str
    seed: int
    kills: int = 3
    moments: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        chance = random.Random(f"{self.victim}/{self.seed}")
        later = [moment for moment in MOMENTS if moment not in FIRST_LOAD]
        chosen = [chance.choice(FIRST_LOAD), *chance.sample(later, self.kills - 1)]
        self.moments = {moment: chance.uniform(0, LONGEST_WAIT_S) for moment in chosen}


def run_with_kills(home: Path, plan: Plan, *options: str) -> tuple[int, str, int]:
    """Give the exit code, all output and how many kills there were."""
    left, said, killed = dict(plan.moments), [], set[int]()
    with subprocess.Popen(
        [
            *(sys.executable, "-u", "-m", "homeroom", "demo"),
            *("--folder", str(home), "--port-base", str(free_port_base())),
            *options,
        ],
        env={**os.environ, "CI": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        try:
            for line in demo.stdout:
                said.append(line)
                for moment in [one for one in left if one in line]:
                    time.sleep(left.pop(moment))
                    said.append(f"(killing {plan.victim})\n")
                    killed.add(kill(home, plan.victim, killed))
        finally:
            demo.terminate()
        return demo.wait(timeout=60), "".join(said), len(killed)


def kill(home: Path, victim: str, before: Collection[int]) -> int:
    """SIGKILL to the present process of that name and give its number.

    One killed `before` may be dead and not yet buried: then the next one is waited for.
    """

    def pid_of_the_living() -> int | None:
        note = read_running(Layout(folder=home)) or {"children": {}}
        pid = note["children"].get(victim)
        return None if pid in before else pid

    pid = eventually_sync(pid_of_the_living, what=f"a process of {victim}")
    os.kill(pid, signal.SIGKILL)
    return pid
