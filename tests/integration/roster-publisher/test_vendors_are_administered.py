"""Vendors made, changed and tried by operators: what may be ordered, and by whom (ADR 0029)."""

from dataclasses import replace
from typing import Any

import pytest

from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.domain.access import Client, Grant
from roster_publisher.domain.collections import ROSTER
from roster_publisher.usecases.seed_clients import ConfiguredClient
from tests.support.administering import DOORS, SCOPES, Replica, ids


async def test_a_vendor_made_by_an_operator_reads_what_it_was_granted(one: Replica) -> None:
    secret = await one.make(schools=["s2"], fields=["names"], agreement="2026-17")

    read = await one.read(await one.bearer(secret))
    listed = (await one.ask("GET", "/vendors", headers=one.as_("viewer"))).json()

    assert ids(read) == ["amy"]
    assert "email" not in read.text
    (vendor,) = listed["vendors"]
    shown = await one.ask("GET", "/vendors/app")
    assert shown.json() == vendor | {"lastPull": shown.json()["lastPull"]}
    assert vendor["origin"] == "operators"
    assert (vendor["schools"], vendor["fields"], vendor["agreement"]) == (
        ["s2"],
        ["names"],
        "2026-17",
    )
    assert secret.startswith("hrs_")
    assert "secret" not in vendor


async def test_a_dry_run_makes_nothing_and_counts_what_would_be_seen(one: Replica) -> None:
    before = await one.publishing.rows("SELECT * FROM roster_publisher.district_revision")
    order = {"id": "app", "scopes": [ROSTER], "rules": [{"grades": ["07"]}]}

    tried = (await one.ask("POST", "/vendors", order, dryRun="true")).json()

    assert tried["secret"] is None
    counts = {path: found["gained"] for path, found in tried["collections"].items()}
    assert counts == {
        "orgs": 2,
        "academicSessions": 1,
        "courses": 1,
        "classes": 1,
        "users": 1,
        "demographics": 0,
        "enrollments": 1,
    }
    assert await one.publishing.rows("SELECT * FROM roster_publisher.district_revision") == before
    for table in ("client", "scope", "pull_audit", "scope_member WHERE scope_id LIKE 'rule:%'"):
        assert await one.publishing.rows(f"SELECT * FROM roster_publisher.{table}") == []


async def test_a_grant_is_tried_shown_and_then_done_as_shown(one: Replica) -> None:
    secret = await one.make(schools=["s1"])
    bearer = await one.bearer(secret)
    assert ids(await one.read(bearer)) == ["u000", "u001"]
    order = {"schools": ["s2"], "fields": ["names"]}

    tried = (await one.ask("POST", "/vendors/app/grant", order, dryRun="true")).json()
    still = await one.read(bearer)
    at = {"ifVersion": tried["vendor"]["version"]}
    done = await one.ask("POST", "/vendors/app/grant", order | at)
    again = await one.ask("POST", "/vendors/app/grant", order | at)

    users = {"before": 2, "after": 1, "gained": 1, "lost": 2}
    assert tried["changed"] == ["schools", "fields"]
    assert tried["collections"]["users"] == users
    assert tried["collections"]["orgs"] == {"before": 1, "after": 1, "gained": 1, "lost": 1}
    assert ids(still) == ["u000", "u001"]
    assert done.json()["changed"] == ["schools", "fields"]
    assert ids(await one.read(bearer)) == ["amy"]
    assert again.status_code == 409
    assert again.json()["code"] == "vendor_changed"
    # A change of what is shown takes a revision and a stamp, as with those of the settings.
    assert done.json()["vendor"]["since"] is None
    assert (await one.ask("GET", "/vendors/app")).json()["since"] is not None
    feed = await one.http.get("/changes", headers=bearer)
    assert [change["type"] for change in feed.json()["changes"]][-1] == "enrollments.upserted"


async def test_what_an_order_does_not_name_stays(one: Replica) -> None:
    await one.make(schools=["s1"], agreement="a", expires="2030-01-01T00:00:00Z", rate=5, burst=9)

    answer = await one.ask("POST", "/vendors/app/grant", {"expires": None})

    vendor = answer.json()["vendor"]
    assert answer.json()["changed"] == ["expires"]
    assert (vendor["schools"], vendor["agreement"], vendor["expires"]) == (["s1"], "a", None)
    assert (vendor["rate"], vendor["burst"]) == (5, 9)


async def test_a_rule_is_filled_before_a_grant_names_it(one: Replica) -> None:
    secret = await one.make(schools=["s1"])

    await one.ask("POST", "/vendors/app/grant", {"schools": None, "rules": [{"grades": ["07"]}]})

    assert ids(await one.read(await one.bearer(secret))) == ["amy"]


async def test_a_token_scope_taken_back_opens_nothing_from_then_on(one: Replica) -> None:
    bearer = await one.bearer(await one.make())
    before = await one.read(bearer, "demographics")

    await one.ask("POST", "/vendors/app/grant", {"scopes": [ROSTER]})

    assert before.status_code == 200
    assert (await one.read(bearer, "demographics")).status_code == 403
    assert (await one.read(bearer)).status_code == 200


@pytest.mark.parametrize(
    ("order", "field", "code"),
    [
        ({"scopes": ["https://else.example/scope"]}, "scopes", "unknown_scope"),
        ({"scopes": []}, "scopes", "too_short"),
        ({"schools": []}, "schools", "too_short"),
        ({"schools": ["s1", ""]}, "schools.1", "string_too_short"),
        ({"rules": [{}]}, "rules.0", "rule_empty"),
        ({"fields": ["shoeSize"]}, "fields.0", "literal_error"),
        ({"expires": "2020-01-01T00:00:00Z"}, "expires", "in_the_past"),
        ({"expires": "2030-01-01T00:00:00"}, "expires", "timezone_aware"),
        ({"rate": 5}, "", "pace_incomplete"),
        ({"burst": 0, "rate": 1}, "burst", "greater_than_equal"),
        ({"shools": ["s1"]}, "shools", "extra_forbidden"),
    ],
)
async def test_a_wrong_order_is_refused_by_its_field(
    one: Replica, order: dict[str, Any], field: str, code: str
) -> None:
    await one.make()

    for path, more in (("/vendors", {"id": "new", "scopes": [ROSTER]}), ("/vendors/app/grant", {})):
        answer = await one.ask("POST", path, {**more, **order})
        assert answer.status_code == 422, answer.text
        errors = [(e["field"], e["message"], e["location"]) for e in answer.json()["errors"]]
        assert errors == [(field, code, "body")]
    for client in ("", "a/b", "a b", "ä", "a" * 101, "-a"):
        assert (
            await one.ask("POST", "/vendors", {"id": client, "scopes": [ROSTER]})
        ).status_code == 422


async def test_ids_that_nothing_in_the_district_has_are_doubted_by_their_field(
    one: Replica,
) -> None:
    order = {
        "id": "app",
        "scopes": SCOPES,
        "schools": ["s1", "s9"],
        "rules": [{"courses": ["algebra", "alchemy"]}, {"schools": ["s8"]}],
    }

    made = await one.ask("POST", "/vendors", order)

    assert made.status_code == 201
    assert made.json()["warnings"] == [
        {"field": "schools.1", "code": "unknown_org"},
        {"field": "rules.0.courses.0", "code": "unknown_course"},
        {"field": "rules.1.schools.0", "code": "unknown_org"},
    ]


async def test_clients_of_the_settings_are_theirs_and_others_are_the_operators(
    one: Replica,
) -> None:
    publishing = one.publishing
    async with publishing.vendor("kept"):
        pass
    secret = await one.make("made")

    refused = [
        await one.ask("POST", "/vendors", {"id": "kept", "scopes": SCOPES}),
        await one.ask("POST", "/vendors/kept/rotate", {}),
        await one.ask("POST", "/vendors/kept/grant", {"schools": ["s1"]}),
        await one.ask("POST", "/vendors/kept/revoke"),
    ]
    # The settings come to name a client that operators made, and no longer the other.
    grant = publishing.clients.pop("kept").grant
    publishing.clients["made"] = ConfiguredClient(
        secret="another", grant=replace(grant, client_id="made")
    )
    ended = await publishing.seed()

    assert [one.status_code for one in refused] == [409] * 4
    assert [one.json()["code"] for one in refused] == ["vendor_taken", *["vendor_configured"] * 3]
    assert "HOMEROOM_CLIENTS" in refused[1].json()["title"]
    assert ended == ["kept"]
    assert (await one.token(secret, "made")).status_code == 200
    assert (await one.token("another", "made")).status_code == 401
    assert (await one.ask("POST", "/vendors/made/revoke")).status_code == 200


async def test_a_door_of_changes_knows_clients_of_the_settings(one: Replica) -> None:
    async with one.publishing.vendor("kept"):
        pass

    tried = [
        await one.ask("POST", "/vendors/kept/rotate", {}, dryRun="true"),
        await one.ask("POST", "/vendors/kept/grant", {"schools": ["s1"]}, dryRun="true"),
        await one.ask("POST", "/vendors/kept/revoke", dryRun="true"),
    ]

    assert [answer.json()["code"] for answer in tried] == ["vendor_configured"] * 3


async def test_settings_take_no_id_that_operators_use_in_another_district(one: Replica) -> None:
    secret = await one.make("made")
    grant = Grant(district_id="d2", client_id="made", token_scopes=frozenset({ROSTER}))
    one.publishing.clients["made"] = ConfiguredClient(secret="another", grant=grant)

    ended = await one.publishing.seed()

    assert ended == []
    assert (await one.token(secret, "made")).status_code == 200
    assert (await one.token("another", "made")).status_code == 401
    vendors = PostgresVendors(one.publishing.database)
    theirs = Client(client_id="made", secret_hash="x", grant=replace(grant, district_id="d1"))
    assert not await vendors.seed(theirs, now=one.publishing.clock.now())
    assert (await one.token(secret, "made")).status_code == 200


@pytest.mark.parametrize(("verb", "path", "body", "least"), DOORS)
async def test_every_door_asks_for_its_role_and_its_district(
    one: Replica, verb: str, path: str, body: Any, least: str
) -> None:
    await one.make()
    dry = {"dryRun": "true"} if verb == "POST" else {}
    roles = ("viewer", "operator", "approver", "admin")

    nobody = await one.http.request(verb, path, params={"district": "d1"}, json=body)
    answers = {
        role: (await one.ask(verb, path, body, headers=one.as_(role), **dry)).status_code
        for role in roles
    }
    elsewhere = await one.ask(verb, path, body, headers=one.as_(districts=("d2",)))
    other = await one.http.request(
        verb, path, params={"district": "d2"}, json=body, headers=one.as_(districts="*")
    )

    assert nobody.status_code == 401
    enough = roles[roles.index(least) :]
    assert {role for role, status in answers.items() if status < 400} == set(enough), answers
    assert {answers[role] for role in roles if role not in enough} <= {403}
    assert elsewhere.status_code == 404
    # A client of d1 is not one of d2, to whoever may look there too.
    named = path.startswith("/vendors/app") and not path.endswith("/audit")
    assert other.status_code == (404 if named else 201 if verb == "POST" else 200)
    assert (await one.ask("GET", "/vendors/app")).status_code == 200


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [(verb, path, body) for verb, path, body, _ in DOORS if path.startswith("/vendors/app")],
)
async def test_a_client_of_another_district_is_as_unknown_as_nobody(
    one: Replica, verb: str, path: str, body: Any
) -> None:
    await one.read(await one.bearer(await one.make()))
    async with one.publishing.vendor("kept"):
        pass
    theirs = one.as_(districts=("d2",))
    dry = [{}, {"dryRun": "true"}] if verb == "POST" else [{}]

    for how in dry:
        told = set()
        for client in ("app", "kept", "nobody"):
            place = path.replace("/app", f"/{client}")
            answer = await one.ask(verb, place, body, headers=theirs, district="d2", **how)
            told.add((answer.status_code, answer.text.replace(client, "…")))
        assert len(told) == 1, told


async def test_a_list_of_vendors_asks_as_often_for_many_as_for_one(
    one: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = one.publishing.database
    begin, begun = database.begin, []
    monkeypatch.setattr(database, "begin", lambda: begun.append(1) or begin())
    asked = []
    for client in ("app", "big", "far"):
        await one.read(await one.bearer(await one.make(client), client))
        one.publishing.clock.advance(1)
        await one.publishing.audit.flush()
        begun.clear()
        vendors = (await one.ask("GET", "/vendors")).json()["vendors"]
        asked.append(len(begun))

    assert len(set(asked)) == 1
    single = [(await one.ask("GET", f"/vendors/{v['client']}")).json() for v in vendors]
    assert vendors == single
    assert len({vendor["lastPull"] for vendor in vendors}) == 3


async def test_a_vendor_is_rotated_and_ended_as_it_was_shown_or_not_at_all(one: Replica) -> None:
    await one.make()
    rotate, revoke = "/vendors/app/rotate", "/vendors/app/revoke"

    async def shown(path: str) -> dict[str, str]:
        tried = await one.ask("POST", path, {}, dryRun="true")
        return {"ifVersion": tried.json()["version"]}

    before = await shown(rotate)
    assert before == await shown(revoke)
    assert before["ifVersion"] == (await one.ask("GET", "/vendors/app")).json()["version"]
    first = await one.ask("POST", rotate, before)
    # Somebody else has handed out a fresh secret meanwhile.
    late = [await one.ask("POST", path, before) for path in (rotate, revoke)]
    then = await shown(revoke)
    await one.ask("POST", "/vendors/app/grant", {"schools": ["s2"]})
    late.append(await one.ask("POST", revoke, then))
    still = await one.token(first.json()["secret"])
    done = await one.ask("POST", revoke, await shown(revoke))

    assert [(answer.status_code, answer.json()["code"]) for answer in late] == [
        (409, "vendor_changed")
    ] * 3
    assert [first.status_code, still.status_code, done.status_code] == [200] * 3
