"""The page that adds a source is followed to the letter, in a copy of the tree."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guards.copied_tree import CopiedTree

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "add-a-source.md"
BLOCK = re.compile(r"^```(python|sh)(?: (\S+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)
pytestmark = [pytest.mark.timeout(600)]


def test_the_page_makes_a_source_that_works(tmp_path: Path) -> None:
    copy = CopiedTree(tmp_path)
    blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    commands = [text for language, _, text in blocks if language == "sh"]
    files = {name: text for language, name, text in blocks if language == "python"}
    assert len(files) >= 4
    assert all(files), "every file of the page has a name"

    for name, text in files.items():
        (copy.root / name).parent.mkdir(parents=True, exist_ok=True)
        (copy.root / name).write_text(text, "utf-8")
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
        cwd=copy.root,
        env=_environment(copy),
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout[-3_000:] + ended.stderr[-3_000:]
    assert "passed" in ended.stdout


def _environment(copy: CopiedTree) -> dict[str, str]:
    """The tools of this environment, on the packages of the copy."""
    scripts = copy.root / ".tools"
    scripts.mkdir()
    (scripts / "ruff").symlink_to(Path(sys.executable).parent / "ruff")
    lint = "from importlinter.cli import lint_imports_command as command; command()"
    for name, call in (("pytest", "-m pytest"), ("lint-imports", f"-c '{lint}'")):
        (scripts / name).write_text(f'#!/bin/sh\nexec {copy.python} {call} "$@"\n', "utf-8")
        (scripts / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    return {**kept, "PATH": f"{scripts}:{os.environ['PATH']}"}
