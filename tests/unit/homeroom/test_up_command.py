"""`homeroom up` is told where its district stands, as the demo is."""

from pathlib import Path

import pytest

from homeroom.parts.processes import free_port
from tests.support.homeroom_command import Commands


@pytest.fixture
def commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    return Commands(folder=tmp_path / "here", capsys=capsys, monkeypatch=monkeypatch)


def test_it_heeds_the_source_of_the_environment(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An emulator brings its own district, so that a file beside it shows who was listened to."""
    monkeypatch.setenv("SOURCE", "infinitecampus")
    file = tmp_path / "roster.zip"
    file.write_bytes(b"not looked at")

    ran = commands(free_port(), "up", "--zip", str(file), token="not-used-here")

    assert ran.code == 1
    assert "an emulated SIS brings its own district" in ran.err
    assert not (tmp_path / "here").exists(), "nothing was started"


@pytest.mark.parametrize("students", ["0", "25", "15001"])
def test_an_emulated_sis_has_as_many_students_as_it_can(commands: Commands, students: str) -> None:
    words = ("up", "--source", "powerschool", "--students", students)

    ran = commands(free_port(), *words, token="not-used-here")

    assert (ran.code, "an emulated SIS has 26 to 15,000 students" in ran.err) == (1, True)
