"""`homeroom replay`: asked for once, in one way, followed to its end."""

import json
from typing import Any

import pytest

from homeroom.services import SIS_INGEST
from tests.support.tiny_homeroom import Run, TinyHomeroom


def report(**more: Any) -> dict[str, Any]:
    return {
        "replayId": "y-1", "state": "completed", "dryRun": False, "reason": None, "read": 2,
        "total": 2, "changed": 1, "unchanged": 1, "stale": 0, "held": 0, "refused": 0,
        "refusals": {}, "finishedAt": "2026-11-25T10:00:00+00:00", **more,
    }  # fmt: skip


SPAN = ("--source", "sis", "--from", "2026-11-25T06:00:00Z", "--to", "2026-11-25T18:00:00Z")


def test_a_span_of_a_source_is_said_again(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(SIS_INGEST, "POST /replay", report(state="waiting", finishedAt=None), status=202)
    tiny.says(SIS_INGEST, "GET /replay/y-1", report(refused=1, refusals={"purged": 1}))

    ran = run(tiny, "replay", "--district", "north", *SPAN, "--dry-run")

    assert json.loads(tiny.sent("POST")[0].body) == {
        "district": "north", "dryRun": True, "source": "sis", "from": "2026-11-25T06:00:00Z",
        "to": "2026-11-25T18:00:00Z",
    }  # fmt: skip
    assert ran.err == "replay y-1 is stored; homeroom replay --replay y-1 follows it\n"
    assert "refused: 1 purged" in ran.out
    assert ran.code == 1


def test_a_replay_is_found_again_without_asking_for_another(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(SIS_INGEST, "GET /replay/y-1", report())

    ran = run(tiny, "replay", "--replay", "y-1", "--json")

    assert json.loads(ran.out) == report()
    assert tiny.sent("POST") == []


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["d-1", *SPAN],
        ["--source", "sis"],
        ["--from", "x", "--to", "y"],
        ["d-1", "--replay", "y"],
    ],
)
def test_half_a_command_is_wrong_usage(tiny: TinyHomeroom, run: Run, words: list[str]) -> None:
    assert run(tiny, "replay", *words).code == 2
    assert tiny.asked == []


def test_what_the_service_refuses_is_told_with_the_field_and_the_reason(
    tiny: TinyHomeroom, run: Run
) -> None:
    tiny.answers["sis-ingest", "POST /replay"] = (
        422,
        {
            "title": "This cannot be said again so", "status": 422, "code": "invalid_replay",
            "errors": [{"field": "asOf", "message": "one_file_only", "location": None}],
        },
    )  # fmt: skip

    ran = run(tiny, "replay", "d-1", "d-2", "--as-of-now")

    assert ran.err.strip() == (
        "POST /replay answered 422: This cannot be said again so (asOf: one_file_only)"
    )
