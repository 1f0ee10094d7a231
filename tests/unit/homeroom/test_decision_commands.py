"""`homeroom holds` and `homeroom plans`: look, then decide about exactly what was shown."""

import io
import json
from typing import Any

import pytest

from homeroom.services import DIRECTORY_SYNC, SIS_INGEST
from tests.support.tiny_homeroom import Run, TinyHomeroom, problem, tiny_homeroom

HASH = "ab" * 32


def hold(**more: Any) -> dict[str, Any]:
    return {
        "holdId": "h-1", "district": "demo", "source": "demo-sis", "entity": "user",
        "operation": "remove", "count": 420, "population": 1500, "percent": 28.0, "limit": 75,
        "limitPercent": 5.0, "itemsHash": HASH, "state": "open", "approvals": [],
        "approvalsNeeded": 2, "createdAt": "2026-11-25T10:00:00+00:00",
        "expiresAt": "2026-11-26T10:00:00+00:00", "runId": "r-1", "correlationId": "c-1",
        "sample": ["p-1", "p-2"], **more,
    }  # fmt: skip


def plan(**more: Any) -> dict[str, Any]:
    return {
        "planId": "pl-1", "district": "demo", "target": "demo-directory", "kind": "guard",
        "counts": {"create": 0, "disable": 30}, "count": 30, "population": 90, "percent": 33.3,
        "limit": 25, "limitPercent": 5.0, "itemsHash": HASH, "state": "open", "approvals": [],
        "approvalsNeeded": 1, "createdAt": "2026-11-25T10:00:00Z",
        "expiresAt": "2026-11-26T10:00:00Z",
        "sample": [{"personId": "p-1", "action": "disable", "reason": "left"}], **more,
    }  # fmt: skip


def sent_body(tiny: TinyHomeroom) -> Any:
    (asked,) = tiny.sent("POST")
    return json.loads(asked.body)


def test_the_list_says_what_would_happen_and_how_to_see_more(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(SIS_INGEST, "GET /holds", {"total": 340, "holds": [hold()] * 20})

    ran = run(tiny, "holds", "--state", "all", "--district", "demo")

    assert "remove 420 user records" in ran.out
    assert ran.out.splitlines()[-1] == "20 of 340 holds, --offset 20 for more"
    assert tiny.asked[0].path == "/holds?state=all&limit=20&offset=0&district=demo"
    assert ran.code == 0


@pytest.mark.parametrize(("noun", "where"), [("holds", "source"), ("plans", "target")])
def test_the_list_is_of_one_source_or_target_where_told_so(
    tiny: TinyHomeroom, run: Run, noun: str, where: str
) -> None:
    service = SIS_INGEST if noun == "holds" else DIRECTORY_SYNC
    tiny.says(service, f"GET /{noun}", {"total": 0, noun: []})

    ran = run(tiny, noun, f"--{where}", "north")

    assert ran.code == 0
    assert tiny.asked[0].path == f"/{noun}?state=open&limit=20&offset=0&{where}=north"


def test_an_empty_list_is_said(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(DIRECTORY_SYNC, "GET /plans", {"total": 0, "plans": []})

    assert run(tiny, "plans").out == "0 of 0 plans\n"


def test_one_hold_is_shown_with_its_limit_approvals_hash_and_sample(
    tiny: TinyHomeroom, run: Run
) -> None:
    tiny.says(SIS_INGEST, "GET /holds/h-1", hold(approvals=["anna"]))

    lines = run(tiny, "holds", "show", "h-1").out.splitlines()

    assert "that is         28.0 % of 1,500" in lines
    assert "without asking  75 (5.0 %) in 24 hours" in lines
    assert "approvals       1 of 2 (anna)" in lines
    assert f"hash            {HASH}" in lines
    assert lines[-2:] == ["p-1 p-2", "a sample of 2 of 420"]


def test_all_that_a_hold_keeps_is_shown_page_by_page(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(SIS_INGEST, "GET /holds/h-1", hold())
    page = [{"id": "p-21", "action": "remove"}, {"id": None, "action": "remove"}]
    items = {"itemsHash": HASH, "total": 420, "items": page}
    tiny.says(SIS_INGEST, "GET /holds/h-1/items", items)

    ran = run(tiny, "holds", "show", "h-1", "--limit", "2", "--offset", "20")

    assert [line.split() for line in ran.out.splitlines()[-4:-1]] == [
        ["id", "action"], ["p-21", "remove"], ["-", "remove"],
    ]  # fmt: skip
    assert ran.out.splitlines()[-1] == "2 of 420 items, --offset 22 for more"
    assert tiny.asked[-1].path == "/holds/h-1/items?limit=2&offset=20"


def test_items_of_a_plan_are_a_table_with_pages(tiny: TinyHomeroom, run: Run) -> None:
    items = [
        {"personId": "p-1", "action": "update", "attributes": ["email", "name"], "reason": "x"},
        {"personId": "p-2", "action": "disable", "attributes": [], "reason": "left"},
    ]
    paged = plan(items=items)
    del paged["sample"]
    tiny.says(DIRECTORY_SYNC, "GET /plans/pl-1", paged)

    lines = run(tiny, "plans", "show", "pl-1", "--limit", "2", "--offset", "4").out.splitlines()

    assert "would           disable 30" in lines
    assert [line.split() for line in lines[-4:-1]] == [
        ["personId", "action", "attributes", "reason"],
        ["p-1", "update", "email", "name", "x"],
        ["p-2", "disable", "-", "left"],
    ]
    assert lines[-1] == "2 of 30 items, --offset 6 for more"


def test_a_first_connection_is_told_with_all_it_would_do(tiny: TinyHomeroom, run: Run) -> None:
    counts = {"create": 1_500, "link": 3, "disable": 0}
    first = plan(kind="first_connection", counts=counts, limit=None, limitPercent=None)
    tiny.says(DIRECTORY_SYNC, "GET /plans", {"total": 1, "plans": [first]})
    tiny.says(DIRECTORY_SYNC, "GET /plans/pl-1", first)

    assert "first connection: create 1,500, link 3" in run(tiny, "plans").out
    assert "without asking" not in run(tiny, "plans", "show", "pl-1").out


def test_reading_commands_print_the_page_as_it_is_for_programs(
    tiny: TinyHomeroom, run: Run
) -> None:
    tiny.says(SIS_INGEST, "GET /holds", {"total": 1, "holds": [hold()]})
    tiny.says(SIS_INGEST, "GET /holds/h-1", hold())

    assert json.loads(run(tiny, "holds", "--json").out) == {"total": 1, "holds": [hold()]}
    assert json.loads(run(tiny, "holds", "show", "h-1", "--json").out) == hold()


def test_an_approval_carries_the_hash_that_was_shown(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(SIS_INGEST, "GET /holds/h-1", hold())
    tiny.says(SIS_INGEST, "POST /holds/h-1/approve", hold(state="approved"))

    ran = run(tiny, "holds", "approve", "h-1", "--yes")

    assert sent_body(tiny) == {"itemsHash": HASH}
    assert ran.out.splitlines()[-1] == "approved: what is still wanted of it is done now"
    assert ran.code == 0


def test_a_first_of_two_approvals_says_that_another_is_needed(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(SIS_INGEST, "GET /holds/h-1", hold())
    tiny.says(SIS_INGEST, "POST /holds/h-1/approve", hold(approvals=["anna"]))

    ran = run(tiny, "holds", "approve", "h-1", "--yes")

    assert ran.out.splitlines()[-1] == (
        "approvals 1 of 2 (anna): another person must approve as well"
    )


@pytest.mark.parametrize("verb", ["approve", "reject"])
@pytest.mark.parametrize("answer", ["n\n", ""], ids=["no", "nobody"])
def test_without_a_yes_nothing_is_sent(
    verb: str, answer: str, tiny: TinyHomeroom, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.says(DIRECTORY_SYNC, "GET /plans/pl-1", plan())
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))

    ran = run(tiny, "plans", verb, "pl-1")

    assert f"{verb.capitalize()}: disable 30?" in ran.out
    assert tiny.sent("POST") == []
    assert ran.code == 1


def test_a_yes_at_the_question_is_enough(
    tiny: TinyHomeroom, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.says(DIRECTORY_SYNC, "GET /plans/pl-1", plan())
    tiny.says(DIRECTORY_SYNC, "POST /plans/pl-1/approve", plan(state="approved"))
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))

    assert run(tiny, "plans", "approve", "pl-1").code == 0
    assert sent_body(tiny) == {"itemsHash": HASH}


def test_a_rejection_carries_its_reason(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(SIS_INGEST, "GET /holds/h-1", hold())
    tiny.says(SIS_INGEST, "POST /holds/h-1/reject", hold(state="rejected"))

    ran = run(tiny, "holds", "reject", "h-1", "--reason", "wrong_file", "--yes")

    assert sent_body(tiny) == {"reason": "wrong_file"}
    assert ran.out.splitlines()[-1] == "rejected: nothing of it is done"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("hash_differs", "it changed since it was shown"),
        ("ended", "it is decided already, or its time is over"),
        ("same_approver", "this approver has given their approval already"),
    ],
)
def test_a_decision_that_does_not_count_is_explained(
    code: str, said: str, tiny: TinyHomeroom, run: Run
) -> None:
    tiny.says(SIS_INGEST, "GET /holds/h-1", hold())
    tiny.answers["sis-ingest", "POST /holds/h-1/approve"] = problem(409, code)

    ran = run(tiny, "holds", "approve", "h-1", "--yes")

    assert said in ran.err
    assert ran.code == 1


def test_what_is_decided_already_is_not_asked_for_again(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(SIS_INGEST, "GET /holds/h-1", hold(state="rejected"))

    ran = run(tiny, "holds", "approve", "h-1", "--yes")

    assert "this hold is rejected" in ran.err
    assert tiny.sent("POST") == []
    assert ran.code == 1


def test_an_unknown_hold_and_a_service_without_holds_are_told_apart(
    tiny: TinyHomeroom, run: Run
) -> None:
    without = run(tiny, "holds", "show", "h-1")
    tiny.doors["sis-ingest"] = {"/holds": []}
    unknown = run(tiny, "holds", "show", "h-1")

    assert without.err.strip() == "sis-ingest has no page /holds in this version"
    assert unknown.err.strip() == "GET /holds/h-1 answered 404: Not Found"
    assert (without.code, unknown.code) == (1, 1)


def test_a_service_that_is_away_is_named_with_exit_code_3(run: Run) -> None:
    with tiny_homeroom(without=DIRECTORY_SYNC) as tiny:
        ran = run(tiny, "plans")

    assert ran.err.strip() == "directory-sync does not answer"
    assert ran.code == 3


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "token_expired", "the operator token has ended; `homeroom token` mints another"),
        (401, "token_refused", "the operator token is not one of this installation's key"),
        (403, "role_missing", "the operator token has a smaller role"),
    ],
)
def test_a_token_that_is_not_enough_is_explained_and_never_shown(
    status: int, code: str, said: str, tiny: TinyHomeroom, run: Run
) -> None:
    tiny.answers["sis-ingest", "GET /holds"] = problem(status, code)

    ran = run(tiny, "holds")

    assert said in ran.err
    assert ran.code == 1
    assert tiny.asked[0].token == "Bearer a-token-that-is-a-secret"


def test_another_program_on_the_port_is_no_traceback(tiny: TinyHomeroom, run: Run) -> None:
    tiny.answers["sis-ingest", "GET /holds"] = (200, b"<html>Welcome</html>")

    ran = run(tiny, "holds")

    assert ran.err.strip() == "GET /holds answered 200, which is no page of Homeroom"
    assert ran.code == 1
