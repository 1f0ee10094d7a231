"""The `homeroom` command against tiny servers: what it prints, sends and ends with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.homeroom_command import Commands, Ran
from tests.support.tiny_homeroom import Run, TinyHomeroom, tiny_homeroom

TOKEN = "a-token-that-is-a-secret"


@pytest.fixture
def tiny() -> Iterator[TinyHomeroom]:
    with tiny_homeroom() as servers:
        yield servers


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command, given as words, against the servers."""
    commands = Commands(folder=tmp_path, capsys=capsys, monkeypatch=monkeypatch)

    def command(servers: TinyHomeroom, *words: str) -> Ran:
        return commands(servers.base, *words, token=TOKEN)

    return command
