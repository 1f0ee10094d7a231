"""The walls between rooms: every import contract is kept, and each is shown to catch a breach."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.import_breaches import BREACHES
from tests.architecture.workspace import ROOT, SOURCE_FOLDERS, copy_folders, environment_for

_SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {contract["name"]: contract for contract in _SETTINGS["contracts"]}
_VERDICT = re.compile(r"^(?P<name>.+) (?P<verdict>KEPT|BROKEN)(?: \(.*\))?$", re.MULTILINE)
# Rooms that no vendor lives in yet; the contract already waits for the first.
_YET_EMPTY = {"*.feeds", "*.feeds.*", "*.feeds.*.projection", "*.desks.*.normalise"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What import-linter said: verdict by contract, and its words."""

    verdicts: dict[str, str]
    text: str

    @property
    def broken(self) -> list[str]:
        return [name for name, verdict in self.verdicts.items() if verdict == "BROKEN"]


def _lint(tree: Path) -> Report:
    done = subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            *("--no-cache", "--no-logo", "--config", "pyproject.toml"),
        ],
        cwd=tree,
        # Wide, so that no line of the report is folded.
        env={**environment_for(tree), "COLUMNS": "1000", "NO_COLOR": "1", "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    text = done.stdout + done.stderr
    verdicts = {found["name"]: found["verdict"] for found in _VERDICT.finditer(done.stdout)}
    return Report(verdicts=verdicts, text=text)


@pytest.fixture(scope="module")
def copied_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("imports")
    copy_folders(tree, SOURCE_FOLDERS)
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


@pytest.fixture
def breached_tree(copied_tree: Path, name: str) -> Iterator[Path]:
    """The copy with a contract's breaches in it; they are taken out again afterwards."""
    made: list[Path] = []
    for breach in BREACHES.get(name, ()):
        path = copied_tree / breach.path
        assert not path.exists()
        if not path.parent.exists():
            made.append(path.parent)
            path.parent.mkdir()
            (path.parent / "__init__.py").touch()
        path.write_text(breach.text)
        made.append(path)
    yield copied_tree
    for path in made:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def test_every_import_contract_is_kept() -> None:
    report = _lint(ROOT)

    assert report.verdicts == dict.fromkeys(CONTRACTS, "KEPT"), report.text


def test_every_contract_has_a_breach_and_every_breach_a_contract() -> None:
    assert {name: len(found) > 0 for name, found in BREACHES.items()} == dict.fromkeys(
        CONTRACTS, True
    )


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_breach_is_named_with_its_file_and_line(name: str, breached_tree: Path) -> None:
    report = _lint(breached_tree)

    assert report.verdicts.keys() == CONTRACTS.keys(), report.text
    assert report.broken == [name], report.text
    for breach in BREACHES[name]:
        assert breach.expected in report.text


@pytest.mark.parametrize("name", CONTRACTS)
def test_no_expression_of_a_contract_is_empty(name: str) -> None:
    """Import-linter says nothing of a wildcard that matches no module: it would guard nothing."""
    empty = {found for found in _expressions(CONTRACTS[name]) if not _matches(found)}

    assert empty <= _YET_EMPTY


def _expressions(contract: dict[str, object]) -> list[str]:
    """Expressions for our own modules; a driver that nobody imports yet is no mistake."""
    keys = ("source_modules", "forbidden_modules", "modules", "containers")
    lists = [contract.get(key, []) for key in keys]
    named = [one for found in lists if isinstance(found, list) for one in found]
    ours = {"*", *_SETTINGS["root_packages"]}
    return [one for one in named if one.partition(".")[0] in ours]


def _matches(expression: str) -> bool:
    below = expression.replace(".", "/")
    return any(
        next(iter((ROOT / folder).glob(pattern)), None) is not None
        for folder in SOURCE_FOLDERS
        for pattern in (f"{below}/__init__.py", f"{below}.py")
    )
