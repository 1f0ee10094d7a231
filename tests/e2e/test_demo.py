"""The demo itself, run as a person would: a command, an exit code, and evidence on disk."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from homeroom.demo.archive import write_archive
from homeroom.demo.district import District
from homeroom.parts.kafka import RunningKafka
from homeroom.services import PROCESSES
from tests.support.demo import run_demo, start_demo

STUDENTS = 120
# Two at a time would fight for two cores and make each other late.
pytestmark = [pytest.mark.timeout(600)]


# Where outsiders saw each change.
ROSTER, DIRECTORY, GROUPS, HELP_DESK, ONE_SCHOOL = (
    "in the roster API",
    "in the directory",
    "in the directory's groups",
    "at the help desk",
    "for the one-school vendor",
)
SEEN = {
    "newStudent": {ROSTER, ONE_SCHOOL, DIRECTORY, GROUPS, HELP_DESK},
    "changedName": {ROSTER, DIRECTORY},
    "classMove": {ROSTER, GROUPS},
    "schoolMove": {ROSTER, ONE_SCHOOL, GROUPS},
    "withdrawal": {ROSTER, ONE_SCHOOL, DIRECTORY, HELP_DESK},
}
ALWAYS = {"accepted", "on the log"}


def assert_whole_story(evidence: dict[str, Any]) -> None:
    found = evidence["found"]
    assert evidence["outcome"] == "ok"
    assert "leftOut" not in found
    assert found["file"]["demographics"] == STUDENTS
    assert found["roster"] == {
        name: found["file"][name] for name in ("orgs", "users", "classes", "enrollments")
    }
    assert found["accounts"] == found["file"]["users"]
    assert_chapters(found["chapters"])
    assert_counterparts(evidence["counterparts"])


def assert_chapters(chapters: dict[str, Any]) -> None:
    for key, places in SEEN.items():
        told = chapters[key]
        assert told["ms"].keys() >= ALWAYS | places, key
        assert all(0 < ms < 60_000 for ms in told["ms"].values()), key
        traced = {(step["service"], step["what"]) for step in told["trace"]}
        assert traced >= {
            ("sis-ingest", "records.changed"),
            ("roster-publisher", "roster.published"),
        }, key
    accounts = [told["ids"]["account"] for key, told in chapters.items() if key in SEEN]
    assert len(set(accounts)) == len(SEEN)
    assert chapters["newStudent"]["ids"]["deviceRequest"]
    assert chapters["withdrawal"]["ids"]["ticket"]
    assert chapters["ticket"]["ms"].keys() == {*ALWAYS, HELP_DESK}
    lost = chapters["massWithdrawal"]
    assert lost["lacking"] == STUDENTS // 3
    held = {hold["entity"]: hold["count"] for hold in lost["holds"]}
    assert held["user"] == lost["lacking"]
    assert lost["removals"]["held"] == sum(held.values())


def assert_counterparts(counterparts: dict[str, Any]) -> None:
    directory, vendors = counterparts["directory"], counterparts["vendors"]
    assert directory["name"] == "scim2-server"
    assert directory["requestsInItsLog"]["POST"] > 0
    assert directory["requestsInItsLog"]["GET"] >= directory["ofTheseReadsByTheDemo"] > 0
    assert counterparts["postgresql"]["version"][0].isdigit()
    whole, one = (vendors[name]["xTotalCount"] for name in ("demo-vendor", "one-school"))
    assert one["orgs"] == 1
    assert 0 < one["users"] < whole["users"]


def assert_no_names(home: Path) -> None:
    """The story's own people, in what is left to be read by whoever looks after the machine."""
    logs = [home / "logs" / f"{process.name}.log" for process in PROCESSES]
    for file in (home / "evidence.json", *logs):
        text = file.read_text(encoding="utf-8").lower()
        assert text
        assert not [name for name in ("marigold", "newcomb", "renamed-") if name in text], file


def test_a_district_goes_all_the_way_and_the_evidence_says_so(tmp_path: Path) -> None:
    evidence = run_demo(tmp_path, "--students", str(STUDENTS))

    assert evidence["transport"] == "postgresql"
    assert_whole_story(evidence)
    assert_no_names(tmp_path / "demo")


def test_a_second_run_in_the_same_folder_starts_clean(tmp_path: Path) -> None:
    first = run_demo(tmp_path, "--students", "26")
    second = run_demo(tmp_path, "--students", "30")

    assert first["found"]["file"]["demographics"] == 26
    assert second["found"]["accounts"] == second["found"]["file"]["users"]


def test_the_same_story_over_a_real_kafka(tmp_path: Path, kafka: RunningKafka) -> None:
    """The session's fixture proves that a broker can be had; the demo starts one of its own."""
    evidence = run_demo(tmp_path, "--students", str(STUDENTS), "--kafka")

    assert evidence["transport"] == "kafka"
    broker = evidence["counterparts"]["kafka"]
    assert broker["version"] == kafka.version
    offsets = broker["endOffsets"]
    assert offsets["sis.changes"] > STUDENTS
    assert {n for topic, n in offsets.items() if topic.startswith("deadletter.")} == {0}
    assert_whole_story(evidence)


def test_a_refused_file_ends_the_demo_at_its_step_with_the_place_in_the_file(
    tmp_path: Path,
) -> None:
    whole, broken, home = tmp_path / "whole.zip", tmp_path / "broken.zip", tmp_path / "demo"
    write_archive(District(students=26, seed=1, school_year=2027), whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(broken, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            wrong = name == "users.csv"
            fixed = content.replace(b"givenName", b"firstName", 1) if wrong else content
            target.writestr(name, fixed)

    ended = start_demo(home, "--zip", str(broken))

    assert ended.returncode == 1
    assert "FAILED at step: read the zip" in ended.stdout
    assert "users.csv" in ended.stdout
    assert "givenName" in ended.stdout
    evidence = json.loads((home / "evidence.json").read_text(encoding="utf-8"))
    assert (evidence["outcome"], evidence["failedStep"]) == ("failed", "read the zip")
