"""The supervisor with real processes: ready, killed, started again, stopped; nothing left over."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from homeroom.installation import Installation
from homeroom.layout import Layout, Ports
from homeroom.ownership import read_running
from homeroom.parts.processes import ChildFailed, port_answers
from homeroom.services import Service
from homeroom.supervisor import HOPELESS, Supervisor
from tests.support.demo import free_port_base
from tests.support.eventually import eventually_sync

GOOD = Service(name="good", module="tests.support.tiny_service", offset=0, schema=None)
BROKEN = Service(name="broken", module="tests.support.no_such_module", offset=1, schema=None)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(folder=tmp_path)
    layout.logs.mkdir()
    return layout


@pytest.fixture
def installation(layout: Layout) -> Installation:
    return Installation(
        layout=layout,
        ports=Ports(base=free_port_base()),
        database_url="postgresql://nobody@127.0.0.1:1/none",
        database_embedded=False,
        operator_public_key="none",
        body_key="none",
        scim_url="http://127.0.0.1:1",
        scim_token="none",
    )


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(layout: Layout, installation: Installation, said: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor(
        layout=layout, ports=installation.ports, processes=[GOOD], say=said.append
    )
    yield supervisor
    supervisor.stop()


def pid_of(layout: Layout, name: str) -> int:
    note = read_running(layout)
    assert note is not None
    return int(note["children"][name])


def test_a_killed_process_is_started_again_on_its_port_counted_and_said(
    supervisor: Supervisor, installation: Installation, layout: Layout, said: list[str]
) -> None:
    supervisor.start(installation)
    supervisor.wait_ready(GOOD)
    first = pid_of(layout, "good")

    os.kill(first, signal.SIGKILL)
    eventually_sync(lambda: supervisor.restarts()["good"] == 1, what="a restart")
    supervisor.wait_ready(GOOD)
    eventually_sync(lambda: said, what="the line about it")

    assert pid_of(layout, "good") != first
    assert said == ["good was ended by SIGKILL: started again (1)"]
    note = read_running(layout)
    assert note is not None
    assert note["restarts"] == {"good": 1}


def test_a_process_killed_again_and_again_is_never_given_up(
    supervisor: Supervisor, installation: Installation, layout: Layout
) -> None:
    supervisor.start(installation)
    for kills in range(1, HOPELESS + 1):
        os.kill(pid_of(layout, "good"), signal.SIGKILL)
        eventually_sync(
            lambda kills=kills: read_running(layout)["restarts"]["good"] == kills, what="a restart"
        )

    supervisor.ensure_hope()
    supervisor.wait_ready(GOOD)


def test_stopping_leaves_no_process_and_no_port(
    supervisor: Supervisor, installation: Installation, layout: Layout
) -> None:
    supervisor.start(installation)
    supervisor.wait_ready(GOOD)
    pid = pid_of(layout, "good")

    supervisor.stop()

    assert not psutil.pid_exists(pid)
    assert not port_answers(installation.ports.of(0))


def test_a_process_that_cannot_start_is_given_up_and_named_with_the_end_of_its_log(
    layout: Layout, installation: Installation
) -> None:
    supervisor = Supervisor(layout=layout, ports=installation.ports, processes=[BROKEN])
    supervisor.start(installation)

    with pytest.raises(ChildFailed, match="broken ended with exit code 1") as failure:
        supervisor.wait_ready(BROKEN)

    assert "No module named tests.support.no_such_module" in failure.value.tail
    supervisor.stop()
