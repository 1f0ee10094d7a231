"""`homeroom vendors`: shown before it is done, and a secret that is printed once."""

import io
import json
from typing import Any

import pytest

from homeroom.services import ROSTER_PUBLISHER
from tests.support.tiny_homeroom import Run, TinyHomeroom, problem

SCOPE = "https://purl.imsglobal.org/spec/or/v1p2/scope/roster.readonly"
SECRET = "hrs_" + "x" * 43
COUNTS = {"users": {"before": 2, "after": 1001, "gained": 1000, "lost": 1}}


def vendor(**more: Any) -> dict[str, Any]:
    return {
        "client": "app", "district": "demo", "origin": "operators", "state": "active",
        "created": None, "scopes": [SCOPE], "schools": ["s-1"], "rules": [{"grades": ["05", "06"]}],
        "fields": ["names"], "transform": {"birthDate": "year"}, "agreement": "2026-17",
        "purpose": None, "expires": None, "rate": None, "burst": None, "since": None,
        "oldSecretsUntil": [], "lastPull": "2026-11-25T10:00:00+00:00", "version": "ab" * 8, **more,
    }  # fmt: skip


def orders(tiny: TinyHomeroom) -> list[tuple[bool, Any]]:
    return [("dryRun=true" in one.path, json.loads(one.body)) for one in tiny.sent("POST")]


def test_the_list_says_what_each_is_granted(tiny: TinyHomeroom, run: Run) -> None:
    every = {"origin": "settings", "schools": None, "rules": [], "fields": None, "transform": {}}
    page = {"district": "demo", "vendors": [vendor(), vendor(client="big", lastPull=None, **every)]}
    tiny.says(ROSTER_PUBLISHER, "GET /vendors", page)

    header, app, big = run(tiny, "vendors", "list", "--district", "demo").out.splitlines()

    assert header.split()[:5] == ["client", "state", "origin", "scopes", "sees"]
    assert "v1p2:roster.readonly" in app
    assert "s-1; grades=05,06" in app
    assert "names birthDate=year" in app
    assert app.endswith("2026-11-25 10:00:00.000Z")
    assert "settings" in big
    assert "the district" in big
    assert big.endswith("-")


def test_a_vendor_is_made_as_it_was_shown_and_its_secret_printed_once(
    tiny: TinyHomeroom, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubts = [{"field": "schools.0", "code": "unknown_org"}]
    answer = {"vendor": vendor(), "secret": SECRET, "warnings": doubts, "collections": COUNTS}
    tiny.says(ROSTER_PUBLISHER, "POST /vendors", answer)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))

    ran = run(
        tiny, "vendors", "create", "app", "--district", "demo", "--school", "s-9",
        "--rule", "grades=05, 06;subjects=Math", "--field", "names", "--transform", "birthDate=year",
        "--expires", "2027-06-30T00:00:00Z", "--rate", "5", "--burst", "9",
    )  # fmt: skip

    wanted = {
        "id": "app", "scopes": [SCOPE], "schools": ["s-9"],
        "rules": [{"grades": ["05", "06"], "subjects": ["Math"]}], "fields": ["names"],
        "transform": {"birthDate": "year"}, "expires": "2027-06-30T00:00:00Z",
        "rate": 5.0, "burst": 9,
    }  # fmt: skip
    assert orders(tiny) == [(True, wanted), (False, wanted)]
    assert ["users", "2", "1,001", "1,000", "1"] in [row.split() for row in ran.out.splitlines()]
    assert "schools.0: unknown org" in ran.out + ran.err
    assert ran.out.count(SECRET) == 1
    assert "demo" in tiny.sent("POST")[0].path


def test_a_dry_run_and_a_no_do_nothing(
    tiny: TinyHomeroom, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = {"client": "app", "tokensEnded": 3, "collections": COUNTS}
    tiny.says(ROSTER_PUBLISHER, "POST /vendors/app/revoke", tried)
    words = ("vendors", "revoke", "app", "--district", "demo")

    shown = run(tiny, *words, "--dry-run")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    refused = run(tiny, *words)

    assert "tokens that end: 3" in shown.out
    assert refused.code == 1
    assert [dry for dry, _ in orders(tiny)] == [True, True]


def test_a_grant_is_changed_only_from_what_was_shown(tiny: TinyHomeroom, run: Run) -> None:
    answer = {"vendor": vendor(), "changed": ["schools"], "warnings": [], "collections": COUNTS}
    tiny.says(ROSTER_PUBLISHER, "POST /vendors/app/grant", answer)
    words = ("vendors", "grant", "app", "--district", "demo")

    done = run(tiny, *words, "--whole-district", "--all-fields", "--no-end", "--yes")
    both = run(tiny, *words, "--school", "s-1", "--whole-district")
    nothing = run(tiny, *words, "--yes")

    wanted = {"schools": None, "rules": [], "fields": None, "expires": None}
    assert orders(tiny) == [(True, wanted), (False, wanted | {"ifVersion": "ab" * 8})]
    assert "granted: schools" in done.out
    assert both.code == 2
    assert nothing.code == 2


@pytest.mark.parametrize(("option", "hours"), [((), 24), (("--overlap", "2"), 2), (("--now",), 0)])
def test_a_secret_is_rotated_with_the_overlap_asked_for(
    tiny: TinyHomeroom, run: Run, option: tuple[str, ...], hours: float
) -> None:
    until = "2026-11-26T10:00:00+00:00"
    answer = {
        "client": "app", "version": "cd" * 8, "secret": SECRET, "oldUntil": until, "tokensCut": 0,
    }  # fmt: skip
    tiny.says(ROSTER_PUBLISHER, "POST /vendors/app/rotate", answer)

    ran = run(tiny, "vendors", "rotate", "app", "--district", "demo", *option, "--yes", "--json")

    assert json.loads(ran.out) == answer
    wanted = {"overlapHours": hours}
    assert orders(tiny) == [(True, wanted), (False, wanted | {"ifVersion": "cd" * 8})]


def test_a_vendor_is_ended_only_as_it_was_shown(tiny: TinyHomeroom, run: Run) -> None:
    answer = {"client": "app", "version": "cd" * 8, "tokensEnded": 3, "collections": COUNTS}
    tiny.says(ROSTER_PUBLISHER, "POST /vendors/app/revoke", answer)

    done = run(tiny, "vendors", "revoke", "app", "--district", "demo", "--yes")

    assert orders(tiny) == [(True, {}), (False, {"ifVersion": "cd" * 8})]
    assert "ended: app, and 3 tokens" in done.out


def test_counts_and_a_page_as_the_vendor_reads_it(tiny: TinyHomeroom, run: Run) -> None:
    counts = {"client": "app", "district": "demo", "revision": 7}
    seen = {"collections": {"users": 1200, "demographics": None}}
    tiny.says(ROSTER_PUBLISHER, "GET /vendors/app/preview", counts | seen)
    tiny.says(ROSTER_PUBLISHER, "GET /vendors/app/preview/users", {"users": []})
    words = ("vendors", "preview", "app", "--district", "demo")

    lines = [row.split() for row in run(tiny, *words).out.splitlines()]
    page = run(tiny, *words, "users", "--filter", "status='active'", "--limit", "5")

    assert lines[1:] == [["users", "1,200"], ["demographics", "-"], ["revision", "7"]]
    assert json.loads(page.out) == {"users": []}
    assert "limit=5" in tiny.sent("GET")[-1].path


def test_the_audit_is_listed_and_says_how_to_go_on(tiny: TinyHomeroom, run: Run) -> None:
    entry = {
        "at": "2026-11-25T10:00:00+00:00", "door": "oneroster12", "what": "users", "status": 200,
        "detail": "limit=100 offset=0", "rows": 100, "revision": 7, "ms": 12, "by": None,
    }  # fmt: skip
    page = {"client": "app", "district": "demo", "entries": [entry], "next": "1-2"}
    tiny.says(ROSTER_PUBLISHER, "GET /vendors/app/audit", page)

    ran = run(
        tiny, "vendors", "audit", "app", "--district", "demo", "--from", "2026-11-01T00:00:00Z"
    )

    _, row, last = ran.out.splitlines()
    assert row.split()[2:8] == ["oneroster12", "users", "200", "100", "7", "12"]
    assert last == "--before 1-2 for older ones"
    assert "from=2026-11-01" in tiny.sent("GET")[-1].path


def test_clients_of_the_settings_are_refused_with_where_they_stand(
    tiny: TinyHomeroom, run: Run
) -> None:
    title = "This vendor stands in HOMEROOM_CLIENTS"
    status, body = problem(409, "vendor_configured", title)
    tiny.says(ROSTER_PUBLISHER, "POST /vendors/app/revoke", body, status)

    ran = run(tiny, "vendors", "revoke", "app", "--district", "demo", "--yes")

    assert ran.code == 1
    assert title in ran.err
    assert len(tiny.sent("POST")) == 1
