"""Fail points kill the process for real, only where they are asked to, and tolerate no typo."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from roster_common.errors import Fatal
from roster_common.runtime.failpoints import FAILPOINTS, failpoint, parse

POINT = "log.relay.after_send"
WORKER = f"""
from roster_common.runtime.failpoints import failpoint
for turn in range(5):
    failpoint("{POINT}")
    print(turn, flush=True)
"""


def _run(spec: str, marker: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOMEROOM_FAILPOINT": spec, "HOMEROOM_FAILPOINT_FILE": str(marker)}
    return subprocess.run(
        [sys.executable, "-c", WORKER],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(("spec", "passed"), [(POINT, ""), (f"{POINT}@3", "0\n1\n")])
def test_the_process_dies_by_sigkill_at_the_pass_asked_for(tmp_path, spec, passed):
    ended = _run(spec, tmp_path / "hit")

    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == passed
    assert (tmp_path / "hit").exists()


def test_another_fail_point_passes_unharmed(tmp_path):
    ended = _run("log.relay.before_send", tmp_path / "hit")

    assert ended.returncode == 0
    assert not (tmp_path / "hit").exists()


def test_a_name_unknown_in_the_environment_stops_the_start(tmp_path):
    ended = _run("log.relay.after_sand", tmp_path / "hit")

    assert ended.returncode == 1
    assert "names no known fail point" in ended.stderr


@pytest.mark.parametrize("spec", ["nowhere", f"{POINT}@0", f"{POINT}@x", f"{POINT}@-1"])
def test_a_bad_order_is_fatal(spec):
    with pytest.raises(Fatal):
        parse(spec)


def test_a_name_unknown_in_code_is_fatal():
    with pytest.raises(Fatal):
        failpoint("log.relay.after_sand")


def test_every_fail_point_of_the_code_is_on_the_list_and_the_other_way_round():
    root = Path(__file__).parents[4]
    rooms = [root / "libs/common/src", *root.glob("services/*/src"), root / "apps/homeroom/src"]
    text = "".join(
        path.read_text(encoding="utf-8")
        for room in rooms
        for path in room.rglob("*.py")
        if path.name != "failpoints.py"
    )

    unused = sorted(name for name in FAILPOINTS if f'"{name}"' not in text)

    assert unused == []
