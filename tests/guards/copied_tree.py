"""A copy of the tree with an interpreter of its own, in which code may be broken.

The interpreter sees the copy's packages and the installed libraries, but not the editable installs
that point at the working tree: so processes started by tests run the copy too, whatever
environment they are given.
"""

import json
import os
import shutil
import signal
import subprocess
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.architecture.workspace import ROOT, SOURCE_FOLDERS
from tests.guards.verdicts import PACKAGES

_LEFT_OUT: Final = (
    *(".git", ".venv", ".cache", ".demo", ".bench", ".hypothesis", "__pycache__"),
    *(".pytest_cache", ".mypy_cache", ".ruff_cache", ".import_linter_cache"),
)
_STOP_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one test ended: passed, failed, skipped or error; `why` is the first line of a failure."""

    test: str
    outcome: str
    why: str


class NotTheCopy(Exception):
    """Something other than the copy was imported: what the tests say would mean nothing."""


class CopiedTree:
    """The copy in `folder`, and the interpreter that sees it. Not for two runs at once."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        self.python = folder / "venv" / "bin" / "python"
        self._verdicts = folder / "verdicts.jsonl"
        shutil.copytree(ROOT, self.root, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        venv.create(folder / "venv", symlinks=True)
        lines = [
            # Two patches within a second could leave the code of the first in a cache.
            "import sys; sys.dont_write_bytecode = True",
            *(str(self.root / source) for source in SOURCE_FOLDERS),
            sysconfig.get_path("purelib"),
        ]
        packages = next((folder / "venv" / "lib").glob("python*/site-packages"))
        (packages / "copy.pth").write_text("\n".join(lines) + "\n")
        self._prove_without_environment()

    def run(self, tests: Sequence[str], *, timeout_s: float) -> list[Verdict]:
        """Run tests in the copy. What could not be collected, or hung, has no verdict.

        Raises NotTheCopy when the packages came from anywhere else.
        """
        self._verdicts.write_text("")
        process = subprocess.Popen(
            [self.python, "-m", "pytest", "-q", "-p", "tests.guards.verdicts", *tests],
            cwd=self.root,
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            _stop(process)
        found = [json.loads(line) for line in self._verdicts.read_text().splitlines()]
        self._refuse_others([line for line in found if "package" in line])
        return [Verdict(**line) for line in found if "test" in line]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in {"CI", "T"}}
        return {
            **kept,
            "GUARDS_VERDICTS": str(self._verdicts),
            # Kafka's jars are no code of ours: fetched once.
            "HOMEROOM_CACHE": os.environ.get("HOMEROOM_CACHE", str(ROOT / ".cache/kafka-4.3.1")),
        }

    def _prove_without_environment(self) -> None:
        """Import everything in a bare process, as the tests' own children do."""
        code = "import importlib, sys; print(*(importlib.import_module(n).__file__ for n in sys.argv[1:]))"
        done = subprocess.run(
            [self.python, "-c", code, *PACKAGES],
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        files = done.stdout.split()
        self._refuse_others(
            [{"file": file} for file in files] if len(files) == len(PACKAGES) else []
        )

    def _refuse_others(self, imported: Sequence[dict[str, str]]) -> None:
        if len(imported) < len(PACKAGES):
            raise NotTheCopy("not every package could be imported")
        for line in imported:
            if not Path(line["file"]).is_relative_to(self.root):
                raise NotTheCopy(line["file"])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Let pytest end what it started; only then by force."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=_STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
