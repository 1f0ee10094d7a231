"""`homeroom crosswalk`, `merge`, `split`, `undo`, `suggestions`: tried first, then done as shown."""

import json
from typing import Any

import pytest

from homeroom.failure import ADVICE
from homeroom.services import SIS_INGEST
from sis_ingest.entrypoints.http.authority import _FAULTS as AUTHORITY
from sis_ingest.entrypoints.http.crosswalk import _FAULTS as CROSSWALK
from sis_ingest.entrypoints.http.suggestions import _FAULTS as SUGGESTIONS
from tests.support.tiny_homeroom import Run, TinyHomeroom, problem

HASH = "ab" * 32
SUGGESTION = {
    "suggestionId": "s-1", "district": "demo", "entity": "user", "id": "p-1", "otherId": "p-2",
    "matchRule": "same_name_and_birth_date", "score": 50, "state": "open",
    "suggestedAt": "2026-11-25T10:00:00+00:00", "decidedBy": None, "decidedAt": None,
}  # fmt: skip


def plan(**more: Any) -> dict[str, Any]:
    return {
        "dryRun": True, "decisionId": "d-1", "itemsHash": HASH, "count": 1,
        "moves": [{"source": "sis", "externalId": "x", "from": "p-2", "to": "p-1"}],
        "touched": [{"entity": "user", "id": "p-2", "action": "tobedeleted"}],
        "correlationId": "c-1", **more,
    }  # fmt: skip


MERGE = ("merge", "p-1", "p-2", "--district", "demo")
SPLIT = ("split", "p-1", "--outside", "sis:x:y", "--district", "demo")
UNDO = ("undo", "d-0")
CONFIRM = ("suggestions", "confirm", "s-1", "--keep", "p-2")
COMMANDS = [
    (MERGE, "/crosswalk/merge",
     {"district": "demo", "entity": "user", "keep": "p-1", "merge": "p-2"}),
    (SPLIT, "/crosswalk/split",
     {"district": "demo", "entity": "user", "id": "p-1",
      "outside": [{"source": "sis", "externalId": "x:y"}]}),
    (UNDO, "/crosswalk/undo", {"decisionId": "d-0"}),
    (CONFIRM, "/crosswalk/suggestions/s-1/confirm", {"keep": "p-2"}),
]  # fmt: skip
IDS = ["merge", "split", "undo", "confirm"]


@pytest.mark.parametrize(("words", "path", "body"), COMMANDS, ids=IDS)
def test_a_decision_is_tried_first_and_then_bound_to_what_was_shown(
    tiny: TinyHomeroom, run: Run, words: tuple[str, ...], path: str, body: dict[str, Any]
) -> None:
    tiny.says(SIS_INGEST, f"POST {path}", plan())

    ran = run(tiny, *words, "--yes")

    first, second = tiny.sent("POST")
    assert (first.path, json.loads(first.body)) == (f"{path}?dryRun=true", body)
    assert (second.path, json.loads(second.body)) == (path, {**body, "itemsHash": HASH})
    assert "1 of 1 records that are told again" in ran.out
    assert ran.out.splitlines()[-1] == "done, decision d-1"


@pytest.mark.parametrize(("words", "path", "_body"), COMMANDS, ids=IDS)
def test_without_a_yes_or_with_a_dry_run_nothing_is_decided(
    tiny: TinyHomeroom, run: Run, words: tuple[str, ...], path: str, _body: Any
) -> None:
    tiny.says(SIS_INGEST, f"POST {path}", plan())

    run(tiny, *words, "--dry-run")
    run(tiny, *words)

    assert {one.path for one in tiny.sent("POST")} == {f"{path}?dryRun=true"}


def test_what_was_done_before_is_said_and_not_sent(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(SIS_INGEST, "POST /crosswalk/merge", plan(moves=[], touched=[], count=0))

    ran = run(tiny, *MERGE, "--yes")

    assert ran.out == "nothing to do: it was done before\n"
    assert len(tiny.sent("POST")) == 1


def test_a_pair_that_became_one_is_confirmed_and_not_listed_any_more(
    tiny: TinyHomeroom, run: Run
) -> None:
    tiny.says(SIS_INGEST, f"POST {COMMANDS[3][1]}", plan(moves=[], touched=[], count=0))

    ran = run(tiny, *CONFIRM, "--yes")

    assert [one.path for one in tiny.sent("POST")] == [
        f"{COMMANDS[3][1]}?dryRun=true",
        COMMANDS[3][1],
    ]
    assert ran.out.splitlines()[-1] == "confirmed: the two are one already"


def test_a_refusal_is_one_line(tiny: TinyHomeroom, run: Run) -> None:
    tiny.answers[SIS_INGEST.name, "POST /crosswalk/undo"] = problem(409, "touched_since")

    ran = run(tiny, *UNDO, "--yes")

    assert ran.code == 1
    assert "answered 409" in ran.err


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("authority_differs", "homeroom authority set"),
        ("would_silence", "homeroom authority set"),
        ("touched_since", "homeroom crosswalk"),
        ("merged_away", "homeroom crosswalk"),
    ],
)
def test_a_refusal_says_what_to_do(tiny: TinyHomeroom, run: Run, code: str, advice: str) -> None:
    tiny.answers[SIS_INGEST.name, "POST /crosswalk/merge"] = problem(409, code)

    assert advice in run(tiny, *MERGE, "--yes").err


def test_an_outside_id_without_its_source_is_wrong_usage(tiny: TinyHomeroom, run: Run) -> None:
    assert run(tiny, "split", "p-1", "--outside", "x", "--district", "demo").code == 2
    assert tiny.asked == []


def test_the_history_of_a_person_is_a_table(tiny: TinyHomeroom, run: Run) -> None:
    meaning = {
        "source": "sis", "externalId": "x", "id": "p-1", "matchRule": "operator",
        "decidedBy": "operator:ana", "decisionId": "d-1",
        "validFrom": "2026-11-25T10:00:00+00:00", "validTo": None,
    }  # fmt: skip
    tiny.says(SIS_INGEST, "GET /crosswalk", {"outsideIds": [meaning]})

    ran = run(tiny, "crosswalk", "p-1", "--district", "demo")

    assert tiny.asked[0].path == "/crosswalk?district=demo&entity=user&id=p-1"
    assert ran.out.splitlines()[1].split() == [
        "sis", "x", "p-1", "operator", "operator:ana", "2026-11-25", "10:00:00.000Z", "-", "d-1",
    ]  # fmt: skip


def test_suggestions_are_listed_and_dismissed(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(SIS_INGEST, "GET /crosswalk/suggestions", {"total": 7, "suggestions": [SUGGESTION]})
    dismissed = {**SUGGESTION, "state": "dismissed"}
    tiny.says(SIS_INGEST, "POST /crosswalk/suggestions/s-1/dismiss", dismissed)

    listed = run(tiny, "suggestions", "--district", "demo", "--limit", "1")

    assert listed.out.splitlines()[-1] == "1 of 7 suggestions, --offset 1 for more"
    assert "same_name_and_birth_date" in listed.out
    assert run(tiny, "suggestions", "dismiss", "s-1").out == "dismissed: the two stay two\n"


@pytest.mark.parametrize(("words", "path", "_body"), COMMANDS, ids=IDS)
def test_programs_get_what_a_dry_run_shows_and_what_was_done(
    tiny: TinyHomeroom, run: Run, words: tuple[str, ...], path: str, _body: Any
) -> None:
    tiny.says(SIS_INGEST, f"POST {path}", plan())

    tried = run(tiny, *words, "--dry-run", "--json")
    done = run(tiny, *words, "--yes", "--json")

    assert json.loads(tried.out) == json.loads(done.out) == plan()


@pytest.mark.parametrize("code", ["authority_differs", "would_silence", "merged_away"])
def test_a_refusal_names_field_and_code_and_what_to_do(
    tiny: TinyHomeroom, run: Run, code: str
) -> None:
    fault = {"field": "merge", "message": code, "location": "body"}
    page = {"title": "Nothing was done", "status": 409, "code": code, "errors": [fault]}
    tiny.answers[SIS_INGEST.name, "POST /crosswalk/merge"] = (409, page)

    ran = run(tiny, *MERGE)

    assert f"Nothing was done (merge: {code}); {ADVICE[code]}" in ran.err


def test_every_reason_not_to_decide_about_ids_or_authority_has_an_advice() -> None:
    reasons = {code for _, code, _ in CROSSWALK.values()} | set(SUGGESTIONS) | set(AUTHORITY)

    assert reasons - ADVICE.keys() <= {"unknown_source", "unknown_school"}


@pytest.mark.parametrize(("words", "path", "_body"), COMMANDS, ids=IDS)
def test_a_dry_run_stays_one_beside_a_yes(
    tiny: TinyHomeroom, run: Run, words: tuple[str, ...], path: str, _body: Any
) -> None:
    tiny.says(SIS_INGEST, f"POST {path}", plan())

    assert run(tiny, *words, "--dry-run", "--yes").code == 0
    assert [one.path for one in tiny.sent("POST")] == [f"{path}?dryRun=true"]
