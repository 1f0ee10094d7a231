"""`homeroom status`: ready or why not, what waits, restarts, counts."""

import json
from pathlib import Path
from typing import Any

from homeroom.services import (
    DIRECTORY_SYNC,
    LOG_KEEPER,
    PROCESSES,
    SERVICES,
    SIS_INGEST,
    TICKET_EVENTS,
)
from tests.support.tiny_homeroom import Run, TinyHomeroom, problem, tiny_homeroom


def all_well(tiny: TinyHomeroom) -> None:
    for service in PROCESSES:
        tiny.says(service, "GET /readyz", {"status": "ready", "checks": {"database": {"ok": True}}})
    for service in SERVICES:
        tiny.says(service, "GET /status", {"users": {"active": 3, "deleted": 0}})
    tiny.says(SIS_INGEST, "GET /holds", {"total": 0, "holds": []})
    tiny.says(DIRECTORY_SYNC, "GET /plans", {"total": 0, "plans": []})


def row(ran_out: str, service: str) -> list[str]:
    return next(line.split() for line in ran_out.splitlines() if line.startswith(service))


def one(page: dict[str, Any], service: str) -> dict[str, Any]:
    found: dict[str, Any] = next(s for s in page["services"] if s["service"] == service)
    return found


def test_a_healthy_installation_is_exit_code_0_with_its_counts(
    tiny: TinyHomeroom, run: Run
) -> None:
    all_well(tiny)

    ran = run(tiny, "status")

    assert row(ran.out, "ticket-events") == ["ticket-events", "yes", *"------"]
    assert "sis-ingest: users.active 3" in ran.out
    assert ran.code == 0


def test_lag_oldest_waiting_holds_and_plans_are_shown(tiny: TinyHomeroom, run: Run) -> None:
    all_well(tiny)
    tiny.says(
        SIS_INGEST,
        "GET /readyz",
        {"checks": {"inbox": {"ok": True, "waiting": 2, "oldestSeconds": 1.5}}},
    )
    topics = {
        "roster.state": {"lag": 7, "oldestWaitingSeconds": 0.25},
        "groups": {"lag": 5, "oldestWaitingSeconds": 12.5},
    }
    tiny.says(DIRECTORY_SYNC, "GET /readyz", {"checks": {"group": {"ok": True, "topics": topics}}})
    tiny.says(LOG_KEEPER, "GET /readyz", {"checks": {"relay": {"ok": True, "lag": 4}}})
    tiny.says(SIS_INGEST, "GET /holds", {"total": 2, "holds": [{}]})
    tiny.says(DIRECTORY_SYNC, "GET /plans", {"total": 1, "plans": [{}]})

    ran = run(tiny, "status", "--district", "north")

    assert row(ran.out, "sis-ingest")[:6] == ["sis-ingest", "yes", "-", "1.5", "2", "-"]
    assert row(ran.out, "directory-sync")[:6] == ["directory-sync", "yes", "12", "12.5", "-", "1"]
    assert row(ran.out, "log-keeper")[:3] == ["log-keeper", "yes", "4"]
    assert {a.path for a in tiny.asked if "plans" in a.path} == {"/plans?district=north&limit=1"}


def test_why_a_service_is_not_ready_is_said_and_makes_the_exit_code_1(
    tiny: TinyHomeroom, run: Run
) -> None:
    all_well(tiny)
    loops = {"apply": {"state": "failed"}, "purge": {"state": "running"}, "x": {"state": "ended"}}
    checks = {
        "database": {"ok": False, "error": "timeout"},
        "group:people": {"ok": False, "state": "stopped: gap"},
        "group:classes": {"ok": False, "state": "running", "topics": {}},
        "loops": {"ok": False, "loops": loops},
        "holds": {"ok": True},
    }
    tiny.says(TICKET_EVENTS, "GET /readyz", {"checks": checks}, status=503)

    ran = run(tiny, "status")

    assert row(ran.out, "ticket-events")[:2] == ["ticket-events", "no"]
    assert (
        "database (timeout), group:people (stopped: gap), group:classes (behind), "
        "loops (apply failed)"
    ) in ran.out
    assert ran.code == 1


def test_a_service_that_can_count_nothing_now_is_still_told_with_its_reason(
    tiny: TinyHomeroom, run: Run
) -> None:
    all_well(tiny)
    checks = {"database": {"ok": False, "error": "timeout"}}
    tiny.says(SIS_INGEST, "GET /readyz", {"checks": checks}, status=503)
    for page in ("/holds", "/status"):
        tiny.answers["sis-ingest", f"GET {page}"] = problem(503, "try_again", "Try again")

    ran = run(tiny, "status")

    assert row(ran.out, "sis-ingest")[:2] == ["sis-ingest", "no"]
    assert "database (timeout)" in ran.out
    assert "sis-ingest: GET /status answered 503: Try again" in ran.out
    assert ran.code == 1


def test_a_service_that_does_not_answer_is_exit_code_3_and_the_others_are_shown(run: Run) -> None:
    with tiny_homeroom(without=DIRECTORY_SYNC) as tiny:
        all_well(tiny)
        ran = run(tiny, "status")
        page = json.loads(run(tiny, "status", "--json").out)

    assert row(ran.out, "directory-sync")[:4] == ["directory-sync", "does", "not", "answer"]
    assert row(ran.out, "sis-ingest")[:2] == ["sis-ingest", "yes"]
    assert ran.code == 3
    assert one(page, "directory-sync")["ready"] is None


def test_restarts_come_from_the_installations_note(
    tiny: TinyHomeroom, run: Run, tmp_path: Path
) -> None:
    all_well(tiny)
    note = {"pid": 1, "portBase": tiny.base, "children": {}, "restarts": {"sis-ingest": 3}}
    (tmp_path / "running.json").write_text(json.dumps(note), encoding="utf-8")

    page = json.loads(run(tiny, "status", "--json").out)

    assert one(page, "sis-ingest")["restarts"] == 3
    assert one(page, "sis-ingest")["openHolds"] == 0
    assert one(page, "ticket-events")["restarts"] is None


def test_a_token_that_has_ended_hides_counts_but_not_readiness(
    tiny: TinyHomeroom, run: Run
) -> None:
    all_well(tiny)
    for service in SERVICES:
        tiny.answers[service.name, "GET /status"] = problem(401, "token_expired")

    ran = run(tiny, "status")

    assert row(ran.out, "sis-ingest")[:2] == ["sis-ingest", "yes"]
    assert ran.out.count("the operator token has ended; `homeroom token` mints another") == 4
    assert ran.code == 1


def test_another_program_on_a_port_is_not_ready(tiny: TinyHomeroom, run: Run) -> None:
    all_well(tiny)
    tiny.answers["ticket-events", "GET /readyz"] = (200, b"hello")

    ran = run(tiny, "status")

    assert "ticket-events: GET /readyz answered 200, which is no page of Homeroom" in ran.out
    assert ran.code == 1


def test_sources_at_fault_are_named_with_their_codes(tiny: TinyHomeroom, run: Run) -> None:
    all_well(tiny)
    checks = {
        "sources": {"ok": False, "late": ["north-sis"], "sources": {"north-sis": {}}},
        "drops": {"ok": False, "sources": {"a": {"fault": None}, "b": {"fault": "no_folder"}}},
        "pulls": {"ok": False, "sources": {"campus": {"reason": "token_refused", "failures": 1}}},
    }
    tiny.says(SIS_INGEST, "GET /readyz", {"checks": checks})

    assert ("sources (north-sis late), drops (b no_folder), pulls (campus token_refused)") in run(
        tiny, "status"
    ).out
