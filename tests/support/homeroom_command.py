"""Runs `homeroom` commands in this process, as a terminal would see them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from homeroom.__main__ import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    def rows(self) -> list[list[str]]:
        """The words of each line of standard output."""
        return [line.split() for line in self.out.splitlines()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Runs them for the installation of a folder; asserts that no token is ever printed."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, base: int, *words: str, token: str) -> Ran:
        """Run the command of these words for the ports that begin at `base`."""
        self.monkeypatch.setenv("HOMEROOM_OPERATOR_TOKEN", token)
        where = ("--folder", str(self.folder), "--port-base", str(base))
        with pytest.raises(SystemExit) as ended:
            main([*words, *where])
        printed = self.capsys.readouterr()
        assert token not in printed.out + printed.err
        return Ran(code=int(ended.value.code or 0), out=printed.out, err=printed.err)
