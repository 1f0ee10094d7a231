"""`homeroom trace` joins what four services say, and says who said nothing."""

import json

from homeroom.services import DIRECTORY_SYNC, ROSTER_PUBLISHER, SERVICES, SIS_INGEST, TICKET_EVENTS
from tests.support.tiny_homeroom import Run, TinyHomeroom, problem, tiny_homeroom

PEOPLE, DELIVERIES = "/trace/people/{person_id}", "/trace/{correlation_id}"


def copy(kind: str, where: str, **more: object) -> dict[str, object]:
    return {
        "kind": kind,
        "where": where,
        "district": "demo",
        "id": "p-1",
        "state": "active",
        "at": "2026-11-25T10:00:00.123456Z",
        "correlationId": "c-1",
        "detail": None,
        **more,
    }


def step(what: str, at: str, **more: object) -> dict[str, object]:
    return {
        "at": f"2026-11-25T10:00:00.{at}Z", "what": what, "district": "demo", "ids": {},
        "count": None, "detail": None, **more,
    }  # fmt: skip


def with_copies(tiny: TinyHomeroom) -> None:
    for service, kind, where in (
        (SIS_INGEST, "source_record", "demo-sis"),
        (ROSTER_PUBLISHER, "user", "roster"),
        (DIRECTORY_SYNC, "account", "demo-directory"),
    ):
        tiny.says(service, "GET /trace/people/p-1", {"copies": [copy(kind, where)]})


def test_copies_of_all_services_stand_in_one_table_in_the_order_of_the_flow(
    tiny: TinyHomeroom, run: Run
) -> None:
    with_copies(tiny)
    tiny.says(TICKET_EVENTS, "GET /trace/people/p-1", {"copies": [copy("device", "A-7", at=None)]})

    ran = run(tiny, "trace", "p-1")

    assert [line.split() for line in ran.out.splitlines()] == [
        ["service", "kind", "where", "district", "state", "time", "cause", "id", "detail"],
        ["sis-ingest", "source_record", "demo-sis", "demo", "active",
         "2026-11-25", "10:00:00.123Z", "c-1", "p-1", "-"],
        ["roster-publisher", "user", "roster", "demo", "active",
         "2026-11-25", "10:00:00.123Z", "c-1", "p-1", "-"],
        ["directory-sync", "account", "demo-directory", "demo", "active",
         "2026-11-25", "10:00:00.123Z", "c-1", "p-1", "-"],
        ["ticket-events", "device", "A-7", "demo", "active", "-", "c-1", "p-1", "-"],
    ]  # fmt: skip
    assert ran.code == 0


def test_a_service_without_the_page_is_named_and_the_others_are_shown(
    tiny: TinyHomeroom, run: Run
) -> None:
    with_copies(tiny)

    ran = run(tiny, "trace", "p-1")

    assert "ticket-events has no page /trace/people/{person_id} in this version" in ran.out
    assert "demo-directory" in ran.out
    assert ran.code == 0


def test_a_service_that_is_away_is_named_and_makes_the_exit_code_3(run: Run) -> None:
    with tiny_homeroom(without=DIRECTORY_SYNC) as tiny:
        with_copies(tiny)
        shown = run(tiny, "trace", "p-1")
        page = json.loads(run(tiny, "trace", "p-1", "--json").out)

    assert "directory-sync does not answer" in shown.out
    assert "demo-sis" in shown.out
    assert shown.code == 3
    assert [one["service"] for one in page["copies"]] == ["sis-ingest", "roster-publisher"]
    assert page["withoutAnswer"]["directory-sync"] == "does not answer"


def test_a_service_that_says_try_again_counts_as_away(tiny: TinyHomeroom, run: Run) -> None:
    with_copies(tiny)
    tiny.answers["directory-sync", "GET /trace/people/p-1"] = problem(503, "try_again")

    assert run(tiny, "trace", "p-1").code == 3


def test_a_person_whom_nobody_knows_is_exit_code_1(tiny: TinyHomeroom, run: Run) -> None:
    for service in SERVICES:
        tiny.says(service, "GET /trace/people/p-9", {"copies": []})

    ran = run(tiny, "trace", "p-9")

    assert ran.out == "no service that answered has a copy of this person\n"
    assert ran.code == 1


def test_a_404_of_a_page_that_exists_is_a_refusal(tiny: TinyHomeroom, run: Run) -> None:
    tiny.doors["sis-ingest"] = {PEOPLE: []}

    ran = run(tiny, "trace", "p-1")

    assert ran.code == 1
    assert ran.err.strip() == "GET /trace/people/p-1 answered 404: Not Found"


def test_an_id_with_slashes_and_signs_is_asked_for_whole(tiny: TinyHomeroom, run: Run) -> None:
    run(tiny, "trace", "a/b?c#d", "--district", "north & south")

    assert tiny.asked[0].path == "/trace/people/a%2Fb%3Fc%23d?district=north+%26+south"


def test_what_could_move_a_cursor_is_not_printed(tiny: TinyHomeroom, run: Run) -> None:
    odd = copy("source_record", "sis", id="p\x1b[2J\n1")
    tiny.says(SIS_INGEST, "GET /trace/people/p-1", {"copies": [odd]})

    ran = run(tiny, "trace", "p-1")

    assert "\x1b" not in ran.out
    assert "p?[2J?1" in ran.out


def test_steps_of_a_delivery_are_one_timeline_with_milliseconds(
    tiny: TinyHomeroom, run: Run
) -> None:
    accepted = step("delivery.accepted", "100000", ids={"delivery": "d-1", "source": "sis"})
    tiny.says(
        SIS_INGEST, "GET /trace/c-1", {"steps": [accepted, step("records.changed", "112400")]}
    )
    tiny.says(ROSTER_PUBLISHER, "GET /trace/c-1", {"steps": [step("roster.published", "131")]})
    tiny.says(DIRECTORY_SYNC, "GET /trace/c-1", {"steps": [step("account.created", "120000")]})

    ran = run(tiny, "trace", "--delivery", "c-1")

    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[0] == ["first", "step", "at", "2026-11-25", "10:00:00.100Z"]
    assert lines[2] == [
        "0.0", "sis-ingest", "delivery.accepted", "demo", "-", "delivery=d-1", "source=sis", "-"
    ]  # fmt: skip
    assert [line[:3] for line in lines[2:6]] == [
        ["0.0", "sis-ingest", "delivery.accepted"],
        ["12.4", "sis-ingest", "records.changed"],
        ["20.0", "directory-sync", "account.created"],
        ["31.0", "roster-publisher", "roster.published"],
    ]
    assert "ticket-events has no page /trace/{correlation_id} in this version" in ran.out
    assert ran.code == 0


def test_another_district_is_left_out_of_a_timeline(tiny: TinyHomeroom, run: Run) -> None:
    steps = [step("roster.published", "1"), step("roster.published", "2", district="d2")]
    tiny.says(SIS_INGEST, "GET /trace/c-1", {"steps": steps})

    page = json.loads(run(tiny, "trace", "--delivery", "c-1", "--district", "d2", "--json").out)

    assert [(one["district"], one["ms"]) for one in page["steps"]] == [("d2", 0.0)]


def test_a_service_that_has_more_steps_than_it_tells_is_named(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(SIS_INGEST, "GET /trace/c-1", {"steps": [step("records.changed", "1")] * 1_000})

    ran = run(tiny, "trace", "--delivery", "c-1")

    assert "sis-ingest tells of the first 1,000 steps only" in ran.out


def test_a_person_and_a_delivery_at_once_or_neither_is_wrong_usage(
    tiny: TinyHomeroom, run: Run
) -> None:
    assert run(tiny, "trace").code == 2
    assert run(tiny, "trace", "p-1", "--delivery", "c-1").code == 2
    assert tiny.asked == []
