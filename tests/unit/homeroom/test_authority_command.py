"""`homeroom authority`: who speaks, and a flip that is shown before it is done."""

import io
import json
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from homeroom.services import SIS_INGEST
from tests.support.tiny_homeroom import Answer, Run, TinyHomeroom

SINCE = "2026-11-25T10:00:00+00:00"


def line(source: str | None, *, own: bool = True) -> dict[str, Any]:
    by = None if source is None else "ana"
    return {"source": source, "own": own, "since": SINCE if by else None, "decidedBy": by}


def plan(**more: Any) -> dict[str, Any]:
    samples = {"add": ["p-9"], "change": [], "remove": ["p-1", "p-2"]}
    counts = {"population": 1500, "keyChange": 1400, "add": 1, "change": 0, "remove": 2}
    return {
        "district": "demo", "school": "s-1", "source": "new-sis", "state": "planned",
        "holdId": None, "stopped": [], "differences": {"user": {**counts, "sample": samples}},
        "itemsHash": "ab" * 32, "correlationId": "c-1", **more,
    }  # fmt: skip


def orders(tiny: TinyHomeroom) -> list[tuple[bool, Any]]:
    return [("dryRun=true" in one.path, json.loads(one.body)) for one in tiny.sent("PUT")]


def test_the_table_names_each_place_and_what_is_silent(tiny: TinyHomeroom, run: Run) -> None:
    page = {
        "district": "demo", "default": line("old-sis"),
        "schools": [
            {"school": "s-1", **line("new-sis")}, {"school": "s-2", **line("old-sis", own=False)},
        ],
        "silent": {"new-sis": {"user": 1200, "class": 60}},
        "flip": {"school": "s-2", "source": "new-sis", "holdId": "h-1"},
    }  # fmt: skip
    tiny.says(SIS_INGEST, "GET /authority", page)

    lines = run(tiny, "authority", "show", "--district", "demo").out.splitlines()

    assert lines[1].split()[:3] == ["the", "district", "old-sis"]
    assert "new-sis  own" in lines[2]
    assert "old-sis  the district's" in lines[3]
    assert lines[4:] == [
        "silent in new-sis: 1,200 user, 60 class",
        "a flip of s-2 to new-sis waits in hold h-1",
    ]


def test_a_dry_run_shows_the_differences_and_does_nothing(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(SIS_INGEST, "PUT /authority", plan(stopped=["user.remove"]))

    ran = run(
        tiny, "authority", "set", "new-sis", "--district", "demo", "--school", "s-1", "--dry-run"
    )

    assert ["user", "1,500", "1", "0", "2", "1,400"] in [
        row.split() for row in ran.out.splitlines()
    ]
    assert "remove user: p-1 p-2" in ran.out
    assert "user.remove" in ran.out + ran.err
    assert orders(tiny) == [(True, {"district": "demo", "school": "s-1", "source": "new-sis"})]


def test_how_far_the_weighing_is_is_shown_while_it_goes_on(
    tiny: TinyHomeroom, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeroom.commands.authority._LOOK_EVERY_S", 0.01)
    looked = Event()

    def far() -> Iterator[Answer]:
        looked.set()
        yield 200, {"weighing": {"read": 3000, "of": 4000}}

    def weighed() -> Iterator[Answer]:
        assert looked.wait(60)
        yield 200, plan()

    tiny.first = {"GET /authority/weighing": far(), "PUT /authority": weighed()}

    ran = run(tiny, "authority", "set", "new-sis", "--district", "demo", "--dry-run")

    assert ran.code == 0
    assert "records weighed: 3000 of 4000" in ran.out + ran.err


@pytest.mark.parametrize(("answer", "times"), [("y\n", 2), ("n\n", 1)])
def test_it_is_done_only_after_it_was_shown_and_confirmed(
    tiny: TinyHomeroom, run: Run, monkeypatch: pytest.MonkeyPatch, answer: str, times: int
) -> None:
    tiny.says(SIS_INGEST, "PUT /authority", plan())
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))

    run(tiny, "authority", "clear", "--district", "demo", "--school", "s-1")

    wanted = {"district": "demo", "school": "s-1", "source": None}
    shown = {**wanted, "itemsHash": "ab" * 32}
    assert orders(tiny) == [(True, wanted), (False, shown)][:times]


def test_programs_get_the_plan_or_the_outcome_and_are_never_asked(
    tiny: TinyHomeroom, run: Run
) -> None:
    tiny.says(SIS_INGEST, "PUT /authority", plan())
    words = ("authority", "clear", "--district", "demo", "--json")

    tried = run(tiny, *words, "--dry-run")
    done = run(tiny, *words, "--yes")
    asked = run(tiny, *words)

    assert json.loads(tried.out) == json.loads(done.out) == plan()
    assert [dry for dry, _ in orders(tiny)] == [True, True, False]
    assert asked.code == 2
