"""`homeroom doctor`: what is well with a source, for people and for programs."""

import json

from homeroom.services import SIS_INGEST
from tests.support.tiny_homeroom import Run, TinyHomeroom

PAGE = {
    "ok": False,
    "repaired": [],
    "findings": [{"what": "event subscription", "ok": False, "detail": "there is none"}],
}


def test_a_source_that_is_not_well_is_exit_code_1(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(SIS_INGEST, "GET /sources/ps/examine", PAGE)

    ran = run(tiny, "doctor", "ps")

    assert "there is none" in ran.out
    assert ran.code == 1


def test_programs_get_the_findings_and_nothing_else(tiny: TinyHomeroom, run: Run) -> None:
    repaired = {**PAGE, "ok": True, "findings": []}
    tiny.says(SIS_INGEST, "POST /sources/ps/repair", repaired)

    ran = run(tiny, "doctor", "ps", "--repair", "--json")

    assert json.loads(ran.out) == repaired
    assert ran.code == 0


def test_the_parts_of_this_machine_are_told_to_programs_too(tiny: TinyHomeroom, run: Run) -> None:
    page = json.loads(run(tiny, "doctor", "--json").out)

    assert {"Python", "PostgreSQL", "folder"} <= {one["part"] for one in page["parts"]}
    assert all(one.keys() == {"part", "found", "rule"} for one in page["parts"])


def test_nothing_is_repaired_without_a_source(tiny: TinyHomeroom, run: Run) -> None:
    assert run(tiny, "doctor", "--repair").code == 2
    assert tiny.asked == []
