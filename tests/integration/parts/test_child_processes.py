"""Children of ours: stopped politely, killed when deaf, gone when we are gone."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from homeroom.parts.processes import Child, ChildFailed, start_child
from tests.support.eventually import eventually_sync

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(99)
"""
POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("up", flush=True)
time.sleep(99)
"""
NESTED = """
import subprocess, sys
print("up", flush=True)
subprocess.run([sys.executable, "-c", "import time; time.sleep(99)"])
"""
PARENT = """
import sys, time
from pathlib import Path
from homeroom.parts.processes import start_child
sleeper = [sys.executable, "-c", "import time; time.sleep(99)"]
child = start_child("inner", sleeper, log=Path(sys.argv[1]) / "inner.log")
print("up", child.pid, flush=True)
time.sleep(99)
"""


def started(program: str, folder: Path) -> Child:
    """A child that has said that it is up."""
    argv = [sys.executable, "-c", program, str(folder)]
    child = start_child("child", argv, log=folder / "child.log")
    child.wait_until(lambda: child.log_tail().endswith("\n"), within_s=20.0)
    return child


def test_a_polite_child_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    assert started(POLITE, tmp_path).stop(within_s=20.0) == 7


def test_a_deaf_child_is_killed_when_its_time_is_up(tmp_path: Path) -> None:
    assert started(DEAF, tmp_path).stop(within_s=0.2) == -signal.SIGKILL


def test_killing_a_child_ends_its_own_children(tmp_path: Path) -> None:
    child = started(NESTED, tmp_path)
    grandchild = eventually_sync(lambda: psutil.Process(child.pid).children(), within_s=20.0)[0]

    child.kill()

    grandchild.wait(timeout=20.0)
    assert not grandchild.is_running()


def test_a_child_that_ends_early_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "print('because'); raise SystemExit(3)"]
    child = start_child("child", program, log=tmp_path / "child.log")

    with pytest.raises(ChildFailed, match="child ended with exit code 3") as failure:
        child.wait_until(lambda: False, within_s=20.0)

    assert "because" in failure.value.tail
    child.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child its parent is gone")
def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    parent = started(PARENT, tmp_path)
    inner = int(parent.log_tail().split()[1])

    os.kill(parent.pid, signal.SIGKILL)
    parent.kill()

    eventually_sync(lambda: not psutil.pid_exists(inner), within_s=20.0)


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(max_workers=1) as brief:
        child = brief.submit(started, POLITE, tmp_path).result()

    with pytest.raises(subprocess.TimeoutExpired):
        child.process.wait(timeout=0.3)
    child.stop()
