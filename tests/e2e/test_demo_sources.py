"""The story where the district stands in an emulated SIS: what its emulator counted itself."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.demo import run_demo, start_demo

STUDENTS = 120
CHAPTERS = {
    "newStudent", "changedName", "classMove", "schoolMove", "withdrawal", "ticket",
    "massWithdrawal",
}  # fmt: skip
pytestmark = [pytest.mark.timeout(600)]


def assert_story(evidence: dict[str, Any]) -> dict[str, Any]:
    found, sis = evidence["found"], evidence["counterparts"]["sis"]
    assert evidence["outcome"] == "ok"
    assert found["chapters"].keys() == CHAPTERS
    assert found["roster"] == found["pulled"]
    assert found["accounts"] == found["pulled"]["users"]
    held = {hold["entity"]: hold["count"] for hold in found["chapters"]["massWithdrawal"]["holds"]}
    assert held["user"] == found["chapters"]["massWithdrawal"]["lacking"] > 26
    assert sis["notice"] == "an emulator, not a live system"
    assert sis["refusals"] == {}
    assert sis["tokensIssued"] >= 1
    assert found["agreement"]["withdrawn"] == 1
    return sis


def test_the_story_with_an_emulated_powerschool(tmp_path: Path) -> None:
    evidence = run_demo(tmp_path, "--students", str(STUDENTS), "--source", "powerschool")

    sis = assert_story(evidence)
    assert sis["product"] == "PowerSchool SIS emulator"
    # Every change of the chapters was told, taken and looked up; then notifications were lost.
    told = sis["notifications"]
    assert told["accepted"] > 20
    assert told["lost"] > STUDENTS // 3
    assert told.get("refused", 0) == told.get("failed", 0) == 0
    assert any("event_subscription" in path for path in sis["requests"])
    assert any("dataversion" in path for path in sis["requests"])


def test_the_story_with_an_emulated_infinite_campus(tmp_path: Path) -> None:
    evidence = run_demo(tmp_path, "--students", str(STUDENTS), "--source", "infinitecampus")

    sis = assert_story(evidence)
    assert sis["product"] == "Infinite Campus emulator"
    assert sis["mostAtOnce"] <= 5


def test_what_an_emulator_cannot_join_is_refused_before_anything_starts(tmp_path: Path) -> None:
    ended = start_demo(tmp_path / "demo", "--source", "powerschool", "--students", "20000")

    assert ended.returncode == 1
    assert "15,000" in ended.stderr
    assert not (tmp_path / "demo" / "data").exists()
