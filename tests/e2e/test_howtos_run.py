"""The shell lines of the how-tos are run as they stand, against `homeroom up`."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.demo import free_port_base
from tests.support.ports import own_port

ROOT = Path(__file__).parents[2]
PAGES = ("connect-a-vendor", "connect-a-sis", "connect-a-directory", "load-devices")
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
JSON = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Where that page's source has its folder.
LEFT_HERE = "/srv/homeroom/north"
# Where a vendor is told on the page about vendors.
RECEIVER = "8105"
STUDENTS = 200
START_WITHIN_S = 150
# A page has a few commands, each a process of its own, on a machine that may be busy.
RUN_WITHIN_S = 420
pytestmark = [pytest.mark.timeout(600)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """Where the services are, the token of whoever started them, and where a vendor is told."""

    base: int
    token: str
    receiver: int


@pytest.fixture(scope="module")
def left_here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ours in place of the one that the page names."""
    return tmp_path_factory.mktemp("left-here")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, left_here: Path) -> Iterator[Up]:
    """`homeroom up` with the pages' source and vendor, stopped by the signal that Ctrl-C sends."""
    sources = _block("connect-a-sis", LEFT_HERE).replace(LEFT_HERE, str(left_here))
    base, home, receiver = free_port_base(), tmp_path_factory.mktemp("up"), own_port()
    clients = _block("connect-a-vendor", RECEIVER).replace(RECEIVER, str(receiver))
    with subprocess.Popen(
        [
            *(sys.executable, "-u", "-m", "homeroom", "up", "--students", str(STUDENTS)),
            *("--folder", str(home / "demo"), "--port-base", str(base)),
        ],
        env={
            **os.environ,
            "CI": "true",
            "HOMEROOM_SOURCES": sources,
            "HOMEROOM_CLIENTS": clients,
            "HOMEROOM_WEBHOOK_NETWORKS": '["127.0.0.0/8"]',
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            said = []
            assert running.stdout is not None
            for line in running.stdout:
                said.append(line)
                if "operator token" in line:
                    break
            else:
                pytest.fail("it did not come up: " + "".join(said)[-2_000:])
            token = (home / "demo/operator.token").read_text("utf-8")
            yield Up(base=base, token=token, receiver=receiver)
        finally:
            running.terminate()
            running.communicate(timeout=60)


def _block(page: str, word: str) -> str:
    """The settings on a page that hold a word."""
    text = (ROOT / "docs" / "howto" / f"{page}.md").read_text("utf-8")
    (found,) = (block for block in JSON.findall(text) if word in block)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_shell_line_of_a_howto_runs(
    page: str, up: Up, left_here: Path, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "howto" / f"{page}.md").read_text("utf-8")
    script = "\n".join(SHELL.findall(text)).replace(LEFT_HERE, str(left_here))
    script = script.replace(RECEIVER, str(up.receiver))
    for offset in range(4):
        script = script.replace(f":{8101 + offset}", f":{up.base + offset}")

    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={
            **os.environ,
            "HOMEROOM_OPERATOR_TOKEN": up.token,
            "HOMEROOM_PORT_BASE": str(up.base),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN_S,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert script.count("curl") >= 1


def test_a_howto_with_a_wrong_line_would_fail(up: Up, tmp_path: Path) -> None:
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"curl -fsS http://127.0.0.1:{up.base}/no-such-page"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode != 0
