"""The demo itself, run as a person would: a command, an exit code, and evidence on disk."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from homeroom.parts.kafka import RunningKafka
from tests.support.demo import free_port_base, run_demo

STUDENTS = 120
# Two at a time would fight for two cores and make each other late.
pytestmark = [pytest.mark.timeout(300)]


def steps_of(evidence: dict[str, Any]) -> dict[str, float]:
    return {step["name"]: step["ms"] for step in evidence["steps"]}


def assert_whole_story(evidence: dict[str, Any]) -> None:
    found = evidence["found"]
    assert evidence["outcome"] == "ok"
    assert found["file"]["demographics"] == STUDENTS
    assert found["roster"] == {
        name: found["file"][name] for name in ("orgs", "users", "classes", "enrollments")
    }
    assert found["accounts"] == found["file"]["users"]
    assert found["newStudent"]["deviceRequestId"]
    assert found["newStudent"]["accountId"] != found["changedName"]["accountId"]
    assert steps_of(evidence).keys() >= {
        "no device requests",
        "new student in the roster",
        "new enrolment in the roster",
        "new student in the directory",
        "device request for the new student",
        "changed name in the roster",
        "changed name in the directory",
    }
    assert evidence["counterparts"]["directory"]["name"] == "scim2-server"
    assert evidence["counterparts"]["directory"]["requestsInItsLog"]["POST"] > 0
    assert evidence["counterparts"]["postgresql"]["version"][0].isdigit()


def test_a_district_goes_all_the_way_and_the_evidence_says_so(tmp_path: Path) -> None:
    evidence = run_demo(tmp_path, "--students", str(STUDENTS))

    assert evidence["transport"] == "postgresql"
    assert_whole_story(evidence)


def test_a_second_run_in_the_same_folder_starts_clean(tmp_path: Path) -> None:
    first = run_demo(tmp_path, "--students", "26")
    second = run_demo(tmp_path, "--students", "30")

    assert first["found"]["file"]["demographics"] == 26
    assert second["found"]["accounts"] == second["found"]["file"]["users"]


def test_the_same_story_over_a_real_kafka(tmp_path: Path, kafka: RunningKafka) -> None:
    """The session's fixture proves that a broker can be had; the demo starts one of its own."""
    evidence = run_demo(tmp_path, "--students", str(STUDENTS), "--kafka")

    assert evidence["transport"] == "kafka"
    assert evidence["counterparts"]["kafka"]["version"] == kafka.version
    assert_whole_story(evidence)


def test_a_failed_step_is_named_with_a_reason_and_exit_code_one(tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"this is no zip")

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "homeroom", "demo"),
            *("--folder", str(tmp_path / "demo"), "--port-base", str(free_port_base())),
            *("--zip", str(broken)),
        ],
        env={**os.environ, "CI": "true"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert ended.returncode == 1
    assert "FAILED at step: post the zip" in ended.stdout
    evidence = json.loads((tmp_path / "demo" / "evidence.json").read_text(encoding="utf-8"))
    assert evidence["outcome"] == "failed"
    assert evidence["failedStep"] == "post the zip"
