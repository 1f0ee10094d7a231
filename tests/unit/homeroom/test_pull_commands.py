"""`homeroom pull` and `pulls`: asked for once, followed to the end, found again."""

import json
from typing import Any

import pytest

from homeroom.services import SIS_INGEST
from tests.support.tiny_homeroom import Run, TinyHomeroom, problem

SECTION = {"pages": 2, "items": 150, "total": 150, "done": True, "fault": None}


def pulled(**more: Any) -> dict[str, Any]:
    return {
        "pullId": "p-1", "sourceId": "campus", "districtId": "demo", "correlationId": "c-1",
        "mode": "full", "state": "completed", "dryRun": False, "reason": None, "failures": 0,
        "askedAt": "2026-11-25T10:00:00+00:00", "runId": "r-1", "items": 190,
        "sections": {
            "orgs": {**SECTION, "pages": 1, "items": 40, "total": 41, "fault": "count_disagrees"},
            "students": SECTION,
        },
        **more,
    }  # fmt: skip


RUN = {
    "runId": "r-1", "correlationId": "c-1", "deliveryId": "d-1", "state": "completed",
    "percent": 100, "counts": {},
}  # fmt: skip


def takes(tiny: TinyHomeroom, pull: dict[str, Any]) -> None:
    asked = {"pullId": "p-1", "correlationId": "c-1", "mode": "full"}
    tiny.says(SIS_INGEST, "POST /pulls/campus", asked, status=202)
    tiny.says(SIS_INGEST, "GET /pulls/p-1", pull)
    tiny.says(SIS_INGEST, "GET /snapshots/r-1", RUN)


def test_a_pull_says_its_id_at_once_and_its_sections_and_run_at_the_end(
    tiny: TinyHomeroom, run: Run
) -> None:
    takes(tiny, pulled())

    ran = run(tiny, "pull", "campus", "--full", "--dry-run")

    assert ran.err == "pull p-1 is stored; homeroom pull --pull p-1 follows it\n"
    assert tiny.sent("POST")[0].path == "/pulls/campus?mode=full&dryRun=true"
    rows = ran.rows()
    assert ["orgs", "1", "40", "41", "count_disagrees"] in rows
    assert ["students", "2", "150", "150", "-"] in rows
    assert ["delivery", "d-1"] in rows
    assert ran.code == 0


def test_json_is_all_that_stands_on_standard_output(tiny: TinyHomeroom, run: Run) -> None:
    takes(tiny, pulled())

    ran = run(tiny, "pull", "campus", "--json")

    assert json.loads(ran.out) == {"pull": pulled(), "run": RUN}


def test_a_pull_that_failed_is_exit_code_1_with_its_reason(tiny: TinyHomeroom, run: Run) -> None:
    takes(tiny, pulled(state="failed", reason="token_refused", runId=None, sections={}))

    ran = run(tiny, "pull", "campus")

    assert "full pull p-1 failed (token_refused)" in ran.out
    assert ran.code == 1


def test_a_delta_that_was_read_in_full_says_why(tiny: TinyHomeroom, run: Run) -> None:
    takes(tiny, pulled(fullBecause="filter_refused"))
    listed = {"total": 1, "pulls": [pulled(fullBecause="filter_refused")]}
    tiny.says(SIS_INGEST, "GET /pulls", listed)

    assert (
        "full pull p-1 completed, in full because of filter_refused"
        in run(tiny, "pull", "campus").out
    )
    assert "filter_refused" in run(tiny, "pulls").out


def test_a_service_that_restarts_does_not_lose_the_pull(tiny: TinyHomeroom, run: Run) -> None:
    takes(tiny, pulled())
    away = iter([problem(503, "try_again"), problem(503, "try_again")])
    tiny.first["GET /pulls/p-1"] = away

    assert run(tiny, "pull", "campus").code == 0
    assert list(away) == []


def test_a_pull_is_found_again_without_asking_for_another(tiny: TinyHomeroom, run: Run) -> None:
    takes(tiny, pulled())

    ran = run(tiny, "pull", "--pull", "p-1")

    assert "full pull p-1 completed" in ran.out
    assert tiny.sent("POST") == []


def test_a_source_that_is_being_read_is_told_with_what_to_do(tiny: TinyHomeroom, run: Run) -> None:
    tiny.answers["sis-ingest", "POST /pulls/campus"] = problem(409, "pull_open", "Read already")

    ran = run(tiny, "pull", "campus")

    assert "Read already; one of it is under way: `homeroom pulls --source` finds it" in ran.err
    assert ran.code == 1


@pytest.mark.parametrize(
    "words", [[], ["campus", "--pull", "p-1"], ["--pull", "p-1", "--full"], ["a/b"]]
)
def test_half_a_command_is_wrong_usage(tiny: TinyHomeroom, run: Run, words: list[str]) -> None:
    assert run(tiny, "pull", *words).code == 2
    assert tiny.asked == []


def test_pulls_are_listed_page_by_page_and_shown(tiny: TinyHomeroom, run: Run) -> None:
    page = {"total": 7, "pulls": [pulled(state="failed", reason="status_404", runId=None)]}
    tiny.says(SIS_INGEST, "GET /pulls", page)
    tiny.says(SIS_INGEST, "GET /pulls/p-1", pulled())

    listed = run(tiny, "pulls", "--source", "campus", "--limit", "1")

    assert tiny.asked[0].path == "/pulls?limit=1&offset=0&source=campus"
    assert listed.rows()[1] == [
        "p-1", "campus", "2026-11-25", "10:00:00.000Z", "full", "failed", "3", "190", "0", "-",
        "status_404",
    ]  # fmt: skip
    assert listed.out.splitlines()[-1] == "1 of 7 pulls, --offset 1 for more"
    assert json.loads(run(tiny, "pulls", "--json").out) == page
    assert "count_disagrees" in run(tiny, "pulls", "show", "p-1").out


@pytest.mark.parametrize("command", ["pulls", "runs"])
def test_more_than_a_page_may_hold_is_wrong_usage(
    tiny: TinyHomeroom, run: Run, command: str
) -> None:
    assert run(tiny, command, "--limit", "201").code == 2
    assert tiny.asked == []
