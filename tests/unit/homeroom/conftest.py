"""The `homeroom` command against tiny servers: what it prints, sends and ends with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeroom.__main__ import main
from tests.support.tiny_homeroom import Ran, Run, TinyHomeroom, tiny_homeroom

TOKEN = "a-token-that-is-a-secret"


@pytest.fixture
def tiny() -> Iterator[TinyHomeroom]:
    with tiny_homeroom() as servers:
        yield servers


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command against the servers in its first argument; the token is never printed."""
    monkeypatch.setenv("HOMEROOM_OPERATOR_TOKEN", TOKEN)

    def command(servers: TinyHomeroom, *words: str) -> Ran:
        where = ("--folder", str(tmp_path), "--port-base", str(servers.base))
        with pytest.raises(SystemExit) as ended:
            main([*words, *where])
        printed = capsys.readouterr()
        assert TOKEN not in printed.out + printed.err
        return Ran(code=int(ended.value.code or 0), out=printed.out, err=printed.err)

    return command
