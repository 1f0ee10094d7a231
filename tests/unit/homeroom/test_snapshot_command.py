"""`homeroom snapshot` prints what became of a file, and a dry run never becomes a real one."""

import json
from pathlib import Path
from typing import Any

import pytest

from homeroom.services import SIS_INGEST
from tests.support.tiny_homeroom import Run, TinyHomeroom, problem, tiny_homeroom

ACCEPTED = {"runId": "r-1", "correlationId": "c-1", "deliveryId": "d-1"}
DOOR = "/snapshots/{source}"


def report(**more: Any) -> dict[str, Any]:
    counts = {"changed": 1, "unchanged": 1_499, "refused": 2, "missing": 20}
    return {
        "runId": "r-1", "correlationId": "c-1", "state": "completed", "dryRun": False,
        "percent": 100, "reason": None,
        "counts": {"org": {**counts, "read": 3}, "user": {**counts, "read": 1_502}},
        "removals": {"byEntity": {"org": {"applied": 0, "held": 0},
                                  "user": {"applied": 0, "held": 20}}},
        "additions": {"byEntity": {"org": {"applied": 0, "held": 0},
                                   "user": {"applied": 1, "held": 5}}},
        "holds": ["h-1"],
        "problems": [],
        "warnings": [{"code": "removals_skipped", "file": "orgs.csv"}],
        "refusals": [{"file": "users.csv", "reason": "missing_field", "field": "givenName",
                      "count": 2, "firstRow": 7}],
        **more,
    }  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "roster.zip"
    file.write_bytes(b"a zip")
    return file


def takes(tiny: TinyHomeroom, report: dict[str, Any]) -> None:
    tiny.says(SIS_INGEST, "POST /snapshots/demo-sis", ACCEPTED, status=202)
    tiny.says(SIS_INGEST, "GET /snapshots/r-1", report)


def test_the_report_says_what_was_read_changed_held_and_refused(
    tiny: TinyHomeroom, run: Run, file: Path
) -> None:
    takes(tiny, report())

    ran = run(tiny, "snapshot", str(file), "--source", "demo-sis")

    lines = ran.out.splitlines()
    begin = lines.index("run r-1 completed")
    assert [line.split() for line in lines[begin + 2 : begin + 6]] == [
        ["records", "read", "changed", "unchanged", "missing", "removed", "held", "refused"],
        ["org", "3", "1", "1,499", "20", "0", "0", "2"],
        ["user", "1,502", "1", "1,499", "20", "0", "25", "2"],
        ["all", "1,505", "2", "2,998", "40", "0", "25", "4"],
    ]
    assert lines[begin + 6 :] == [
        "waits for a person: homeroom holds show h-1",
        "warning: code=removals_skipped file=orgs.csv",
        "refused: file=users.csv reason=missing_field field=givenName count=2 firstRow=7",
    ]
    assert tiny.sent("POST")[0].body == b"a zip"
    assert ran.code == 0


def test_a_report_of_a_service_without_holds_leaves_those_columns_empty(
    tiny: TinyHomeroom, run: Run, file: Path
) -> None:
    old = report()
    for name in ("dryRun", "removals", "additions", "holds"):
        del old[name]
    takes(tiny, old)

    ran = run(tiny, "snapshot", str(file), "--source", "demo-sis")

    assert ["all", "1,505", "2", "2,998", "40", "-", "-", "4"] in [
        line.split() for line in ran.out.splitlines()
    ]


def test_a_refused_file_is_exit_code_1_with_its_problem(
    tiny: TinyHomeroom, run: Run, file: Path
) -> None:
    fault = {"code": "missing_column", "file": "users.csv", "column": "givenName"}
    takes(tiny, report(state="refused", reason="invalid", counts={}, problems=[fault]))

    ran = run(tiny, "snapshot", str(file), "--source", "demo-sis")

    assert "run r-1 refused (invalid)" in ran.out
    assert "problem: code=missing_column file=users.csv column=givenName" in ran.out
    assert ran.code == 1


def test_many_refusals_are_cut_and_counted(tiny: TinyHomeroom, run: Run, file: Path) -> None:
    many = [{"file": "users.csv", "reason": f"r{n}"} for n in range(25)]
    takes(tiny, report(refusals=many))

    ran = run(tiny, "snapshot", str(file), "--source", "demo-sis")

    assert "refused: file=users.csv reason=r19" in ran.out
    assert "reason=r20" not in ran.out
    assert "refused: 20 of 25 are shown; --json shows all" in ran.out


def test_json_is_the_report_and_nothing_else(tiny: TinyHomeroom, run: Run, file: Path) -> None:
    takes(tiny, report())

    ran = run(tiny, "snapshot", str(file), "--source", "demo-sis", "--json")

    assert json.loads(ran.out) == report()


def test_a_dry_run_is_asked_for_and_told_as_one(tiny: TinyHomeroom, run: Run, file: Path) -> None:
    tiny.doors["sis-ingest"] = {DOOR: ["source", "dryRun"]}
    takes(tiny, report(dryRun=True))

    ran = run(tiny, "snapshot", str(file), "--source", "demo-sis", "--dry-run")

    assert tiny.sent("POST")[0].path == "/snapshots/demo-sis?dryRun=true"
    assert "dry run, nothing was changed: run r-1 completed" in ran.out


def test_a_service_that_knows_no_dry_run_gets_no_file(
    tiny: TinyHomeroom, run: Run, file: Path
) -> None:
    tiny.doors["sis-ingest"] = {DOOR: ["source"]}
    takes(tiny, report())

    ran = run(tiny, "snapshot", str(file), "--source", "demo-sis", "--dry-run")

    assert ran.err.strip() == "this sis-ingest knows no dry run; nothing was sent"
    assert tiny.sent("POST") == []
    assert ran.code == 1


def test_an_unknown_source_and_a_service_that_is_away_are_told_apart(
    tiny: TinyHomeroom, run: Run, file: Path
) -> None:
    tiny.answers["sis-ingest", "POST /snapshots/other"] = problem(404, "unknown_source", "No such")
    unknown = run(tiny, "snapshot", str(file), "--source", "other")
    with tiny_homeroom(without=SIS_INGEST) as halted:
        away = run(halted, "snapshot", str(file), "--source", "demo-sis")

    assert unknown.err.strip() == "POST /snapshots/other answered 404: No such"
    assert unknown.code == 1
    assert "sis-ingest does not answer on port" in away.err
    assert away.code == 3


def test_the_run_is_said_before_it_is_waited_for(tiny: TinyHomeroom, run: Run, file: Path) -> None:
    tiny.says(SIS_INGEST, "POST /snapshots/demo-sis", ACCEPTED, status=202)

    ran = run(tiny, "snapshot", str(file), "--source", "demo-sis")

    assert ran.code == 1
    assert "homeroom snapshot --run r-1 follows it" in ran.err


def test_a_run_is_found_again_without_sending_anything(tiny: TinyHomeroom, run: Run) -> None:
    takes(tiny, report())

    ran = run(tiny, "snapshot", "--run", "r-1")

    assert "run r-1 completed" in ran.out
    assert tiny.sent("POST") == []


def test_a_service_that_restarts_does_not_lose_the_run(
    tiny: TinyHomeroom, run: Run, file: Path
) -> None:
    takes(tiny, report())
    away = iter([problem(503, "away"), problem(503, "away")])
    tiny.first["GET /snapshots/r-1"] = away

    ran = run(tiny, "snapshot", str(file), "--source", "demo-sis")

    assert ran.code == 0
    assert list(away) == []


@pytest.mark.parametrize("words", [[], ["--run", "r-1", "FILE"], ["FILE"]])
def test_half_a_command_is_wrong_usage(
    tiny: TinyHomeroom, run: Run, file: Path, words: list[str]
) -> None:
    given = [str(file) if word == "FILE" else word for word in words]

    assert run(tiny, "snapshot", *given).code == 2
    assert tiny.asked == []
