"""Our programs as processes: ready by HTTP, killed by a real signal, started again."""

import signal
from pathlib import Path

import pytest

from homeroom.parts.processes import ChildFailed
from tests.support.processes import http_status, start_program, start_service

ROOT = str(Path(__file__).parents[3])
TINY = "tests.support.tiny_service"


def test_a_service_is_ready_when_it_is_handed_over(tmp_path: Path) -> None:
    service = start_service(TINY, folder=tmp_path, env={"PYTHONPATH": ROOT})

    assert http_status(service.port, "/readyz") == 200
    assert service.stop() == -signal.SIGTERM


def test_a_killed_service_is_gone_and_starts_again_on_its_port(tmp_path: Path) -> None:
    first = start_service(TINY, folder=tmp_path, env={"PYTHONPATH": ROOT})

    first.kill()
    gone = http_status(first.port, "/readyz")
    env = {"PYTHONPATH": ROOT, "HOMEROOM_PORT": str(first.port)}
    second = start_service(TINY, folder=tmp_path, env=env)

    assert gone is None
    assert second.url == first.url
    second.kill()


def test_a_service_that_ends_before_it_is_ready_says_why(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed) as failure:
        start_service("no_such_module", folder=tmp_path, env={})

    assert "No module named no_such_module" in failure.value.tail


def test_a_program_that_kills_itself_shows_the_signal(tmp_path: Path) -> None:
    (tmp_path / "self_kill.py").write_text("import os; os.kill(os.getpid(), 9)", "utf-8")

    program = start_program("self_kill", folder=tmp_path, env={"PYTHONPATH": str(tmp_path)})

    assert program.wait_for_exit() == -signal.SIGKILL


def test_a_program_gets_nothing_of_the_test_run_s_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMEROOM_CANARY", "planted")
    (tmp_path / "shows.py").write_text("import os; print(sorted(os.environ))", "utf-8")

    program = start_program("shows", folder=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    program.wait_for_exit()

    assert "HOMEROOM_PORT" in program.log()
    assert "HOMEROOM_CANARY" not in program.log()
