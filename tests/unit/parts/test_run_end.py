"""How a test run ends: the counts alone on the last line, and no skip in CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.run_end import complaints

ROOT = Path(__file__).parents[3]
ONE_SKIPPED = """
import pytest
def test_passes(): pass
def test_skips(): pytest.skip("no broker here")
"""


def run(folder: Path, *, ci: str, whole: bool = False) -> subprocess.CompletedProcess[str]:
    """A pytest run of its own, with the plugins under test, over `ONE_SKIPPED`.

    `whole` names no path, so that `testpaths` decides, as `make test` does.
    """
    (folder / "only").mkdir()
    (folder / "only" / "test_sample.py").write_text(ONE_SKIPPED, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = only\n", "utf-8")
    plugins = ["-p", "tests.support.used_parts", "-p", "tests.support.run_end"]
    return subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins,
            *([] if whole else ["only/test_sample.py"]),
        ],
        capture_output=True, text=True, timeout=240, check=False, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CI": ci},
    )  # fmt: skip


def test_a_whole_run_in_ci_without_kafka_fails_and_a_narrowed_one_does_not(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "narrowed").mkdir()

    whole = run(tmp_path / "whole", ci="true", whole=True)
    narrowed = run(tmp_path / "narrowed", ci="true")

    assert "CI: no Kafka broker named its version in this run" in whole.stdout
    assert "no Kafka broker" not in narrowed.stdout


def test_the_last_line_counts_passed_failed_and_skipped(tmp_path: Path) -> None:
    finished = run(tmp_path, ci="")

    assert finished.stdout.splitlines()[-1] == "1 passed, 0 failed, 1 skipped"
    assert finished.returncode == 0


def test_a_skip_fails_a_run_in_ci(tmp_path: Path) -> None:
    finished = run(tmp_path, ci="true")

    assert finished.returncode == 1
    assert "CI: 1 skipped, and a CI run may skip nothing" in finished.stdout
    assert finished.stdout.splitlines()[-1] == "1 passed, 0 failed, 1 skipped"


@pytest.mark.parametrize(
    ("whole_run", "kafka_named_itself", "expected"),
    [
        (True, True, []),
        (False, False, []),
        (True, False, ["CI: no Kafka broker named its version in this run"]),
    ],
)
def test_a_whole_run_in_ci_has_met_a_kafka_that_named_itself(
    *, whole_run: bool, kafka_named_itself: bool, expected: list[str]
) -> None:
    assert (
        complaints(skipped=0, whole_run=whole_run, kafka_named_itself=kafka_named_itself)
        == expected
    )
