"""Vendors made, changed, rotated and ended by operators, and previewed as they see it (ADR 0029)."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from roster_common.runtime.metrics import render
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.domain.collections import ROSTER, V1P1_SCOPE_PREFIX
from roster_publisher.domain.pacing import Pace
from roster_publisher.entrypoints.oneroster.app import CutOffError
from roster_publisher.usecases import read_collection
from roster_publisher.usecases.seed_clients import ConfiguredClient
from roster_publisher.usecases.tokens import RecogniseToken
from tests.support.administering import SCOPES, Replica, replica
from tests.support.oneroster_records import (
    class_,
    course,
    demographics,
    enrollment,
    org,
    role,
    school_world,
    user,
)
from tests.support.publishing import Publishing

WORLD = [
    *school_world(users=2),
    ("org", org("s2")),
    ("user", user("amy", role("s2"), givenName="Amy", grades=["05"])),
    ("course", course("algebra")),
    ("class", class_("c2", course="algebra", school="s2", grades=["07"])),
    ("enrollment", enrollment("e1", user="u000")),
    ("enrollment", enrollment("e2", user="amy", class_id="c2", school="s2")),
    ("demographics", demographics("amy", birthDate="2010-01-31")),
]


@pytest.fixture
async def one(publishing: Publishing) -> AsyncIterator[Replica]:
    """A replica with a roster of two schools."""
    await publishing.publish(*WORLD)
    async with replica(publishing) as found:
        yield found


def ids(answer: Any, what: str = "users") -> list[str]:
    assert answer.status_code == 200, answer.text
    return [record["sourcedId"] for record in answer.json()[what]]


async def version(one: Replica) -> int:
    return await PostgresVendors(one.publishing.database).version()


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


async def test_an_old_secret_counts_until_its_time_and_so_do_its_tokens(one: Replica) -> None:
    clock = one.publishing.clock
    old = await one.make()
    bearer = await one.bearer(old)

    rotated = (await one.ask("POST", "/vendors/app/rotate", {"overlapHours": 0.5})).json()
    new = rotated["secret"]
    at_once = [await one.token(old), await one.token(new)]
    clock.advance(1_799)
    late = await one.bearer(old)
    before = [(await one.read(one_, "orgs")).status_code for one_ in (bearer, late)]
    clock.advance(1)

    assert rotated["tokensCut"] == 1
    assert [one.json()["expires_in"] for one in at_once] == [1_800, 3_600]
    assert before == [200, 200]
    assert [(await one.read(one_, "orgs")).status_code for one_ in (bearer, late)] == [401, 401]
    assert (await one.token(old)).status_code == 401
    assert (await one.token(new)).status_code == 200
    assert (await one.ask("GET", "/vendors/app")).json()["oldSecretsUntil"] == []


async def test_a_secret_rotated_now_ends_at_once_with_its_tokens(one: Replica) -> None:
    old = await one.make()
    bearer = await one.bearer(old)
    assert (await one.read(bearer)).status_code == 200
    tried = await one.ask("POST", "/vendors/app/rotate", {"overlapHours": 0}, dryRun="true")
    assert (await one.read(bearer)).status_code == 200

    new = (await one.ask("POST", "/vendors/app/rotate", {"overlapHours": 0})).json()["secret"]

    assert tried.json()["secret"] is None
    assert tried.json()["tokensCut"] == 1
    assert (await one.read(bearer)).status_code == 401
    assert (await one.token(old)).status_code == 401
    assert (await one.read(await one.bearer(new))).status_code == 200


async def test_secrets_rotated_one_after_the_other_keep_their_times(one: Replica) -> None:
    first = await one.make()
    second = (await one.ask("POST", "/vendors/app/rotate", {"overlapHours": 2})).json()["secret"]
    third = (await one.ask("POST", "/vendors/app/rotate", {"overlapHours": 24})).json()["secret"]
    one.publishing.clock.advance(3 * 3_600)

    answers = [(await one.token(secret)).status_code for secret in (first, second, third)]

    assert answers == [401, 200, 200]


async def test_no_token_comes_of_a_secret_that_is_rotated_while_it_is_looked_at(
    one: Replica,
) -> None:
    old = await one.make()

    for _ in range(5):
        asked = [one.token(old) for _ in range(4)]
        rotation = one.ask("POST", "/vendors/app/rotate", {"overlapHours": 0})
        *tokens, rotated = await asyncio.gather(*asked, rotation)
        for answer in tokens:
            if answer.status_code == 200:
                bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
                assert (await one.read(bearer)).status_code == 401
        old = rotated.json()["secret"]
        assert (await one.token(old)).status_code == 200


async def test_a_revoked_vendor_is_nobody_at_once(one: Replica) -> None:
    secret = await one.make()
    bearer = await one.bearer(secret)
    assert (await one.read(bearer)).status_code == 200
    tried = (await one.ask("POST", "/vendors/app/revoke", dryRun="true")).json()

    done = await one.ask("POST", "/vendors/app/revoke")

    assert tried["tokensEnded"] == done.json()["tokensEnded"] == 1
    assert tried["collections"]["users"]["lost"] == 3
    assert (await one.read(bearer)).status_code == 401
    assert (await one.http.get("/changes", headers=bearer)).status_code == 401
    assert (await one.token(secret)).status_code == 401
    assert (await one.ask("GET", "/vendors/app")).status_code == 404
    assert (await one.ask("POST", "/vendors/app/revoke")).status_code == 404
    audit = (await one.ask("GET", "/vendors/app/audit", headers=one.as_("viewer"))).json()
    assert [entry["what"] for entry in audit["entries"] if entry["door"] == "admin"] == [
        "revoke",
        "create",
    ]


async def test_a_long_page_ends_when_its_vendor_is_revoked(
    one: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_collection, "CHUNK_ROWS", 1)
    bearer = await one.bearer(await one.make())
    reads = one.publishing.reads
    page_at, pages = reads.page_at, 0

    async def revoked_meanwhile(*query: Any, **how: Any) -> Any:
        nonlocal pages
        pages += 1
        if pages == 1:
            await one.ask("POST", "/vendors/app/revoke")
        return await page_at(*query, **how)

    monkeypatch.setattr(reads, "page_at", revoked_meanwhile)
    answer = await one.read(bearer)

    # Nothing had left yet, so it is told; three users were asked for.
    assert answer.status_code == 401
    assert pages == 1


async def test_a_page_half_sent_breaks_off_when_its_grant_is_narrowed(
    one: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_collection, "CHUNK_ROWS", 1)
    bearer = await one.bearer(await one.make())
    reads = one.publishing.reads
    page_at, pages = reads.page_at, 0

    async def narrowed_meanwhile(*query: Any, **how: Any) -> Any:
        nonlocal pages
        pages += 1
        if pages == 2:
            await one.ask("POST", "/vendors/app/grant", {"schools": ["s2"]})
        return await page_at(*query, **how)

    monkeypatch.setattr(reads, "page_at", narrowed_meanwhile)
    with pytest.raises(CutOffError):
        await one.read(bearer)

    await one.publishing.audit.flush()
    (entry, *_) = await one.publishing.audit.entries("d1", "app", limit=1)
    assert entry.entry.detail.endswith(" cut")


async def test_another_replica_looks_anew_when_it_sees_that_something_changed(
    one: Replica,
) -> None:
    async with replica(one.publishing) as other:
        bearer = await one.bearer(await one.make())
        assert (await other.read(bearer)).status_code == 200
        before = await version(one)

        await one.ask("POST", "/vendors/app/grant", {"schools": ["s2"]})
        stale = ids(await other.read(bearer))
        assert await version(one) > before
        other.recognise.forget()  # what its loop does then, once a second
        assert ids(await other.read(bearer)) == ["amy"]

        await one.ask("POST", "/vendors/app/revoke")
        assert await version(one) > before + 1
        # Without the loop the bound is half a minute.
        one.publishing.clock.advance(31)
        assert (await other.read(bearer)).status_code == 401

    assert stale == ["amy", "u000", "u001"]


async def test_a_token_looked_up_before_a_change_is_not_remembered_after_it(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replica(publishing) as one:
        secret = await one.make()
        answer = await one.token(secret)
        vendors = PostgresVendors(publishing.database)
        recognise = RecogniseToken(vendors, publishing.clock)
        look = vendors.token

        async def changed_meanwhile(*asked: Any, **how: Any) -> Any:
            found = await look(*asked, **how)
            await one.ask("POST", "/vendors/app/revoke")
            recognise.forget()
            return found

        monkeypatch.setattr(vendors, "token", changed_meanwhile)
        token = answer.json()["access_token"]
        first = await recognise(token)
        monkeypatch.setattr(vendors, "token", look)

        assert first is not None
        assert await recognise(token) is None


async def test_a_preview_is_what_the_vendor_reads_and_disturbs_nothing(one: Replica) -> None:
    scopes = [*SCOPES, f"{V1P1_SCOPE_PREFIX}roster.readonly"]
    secret = await one.make(schools=["s1"], fields=["names"], scopes=scopes, rate=1, burst=3)
    bearer = await one.bearer(secret)
    first = await one.read(bearer, limit=1)
    await one.publishing.publish(("user", user("u002")))

    counts = await one.ask("GET", "/vendors/app/preview", headers=one.as_("viewer"))
    pages = [
        await one.ask("GET", "/vendors/app/preview/users", limit=1),
        await one.ask("GET", "/vendors/app/preview/users", filter="familyName='x'"),
        await one.ask("GET", "/vendors/app/preview/users/u000"),
        await one.ask("GET", "/vendors/app/preview/users/amy"),
        await one.ask("GET", "/vendors/app/preview/schools/s1/classes", version="1.1"),
        await one.ask("GET", "/vendors/app/preview/users", filter="nonsense"),
    ]
    second = await one.read(bearer, limit=1, offset=1)
    own = await one.read(bearer, "users/u000")

    assert counts.json()["collections"]["users"] == 3
    assert counts.json()["collections"]["demographics"] == 0
    assert [page.status_code for page in pages] == [200, 200, 200, 404, 200, 400]
    assert pages[0].headers["x-total-count"] == "3"
    assert pages[2].content == own.content
    assert "email" not in pages[2].text
    # The vendor's own pull goes on where it was.
    assert second.headers["x-roster-revision"] == first.headers["x-roster-revision"]
    assert second.headers["x-total-count"] == "2"
    await one.publishing.audit.flush()
    entries = await one.publishing.audit.entries("d1", "app", limit=50)
    told = [(e.entry.what, e.entry.by) for e in entries if e.entry.door == "preview"][::-1]
    assert told == [
        ("users", "ana"),
        ("users", "ana"),
        ("users/u000", "ana"),
        ("users/{id}", "ana"),
        ("schools/s1/classes", "ana"),
        ("users", "ana"),
    ]
    # A preview is no pull of the vendor's.
    assert set(await one.publishing.audit.last_pulls("d1", "app")) == {"user"}


async def test_a_preview_of_an_ended_agreement_shows_what_the_vendor_gets(one: Replica) -> None:
    ends = one.publishing.clock.now() + timedelta(hours=1)
    await one.make(expires=ends.isoformat())
    one.publishing.clock.advance(3_601)

    assert (await one.ask("GET", "/vendors/app/preview")).status_code == 409
    page = await one.ask("GET", "/vendors/app/preview/users")
    assert page.status_code == 403
    assert page.json()["imsx_codeMajor"] == "failure"
    assert (await one.ask("GET", "/vendors/app")).json()["state"] == "ended"


DOORS = [
    ("GET", "/vendors", None, "viewer"),
    ("GET", "/vendors/app", None, "viewer"),
    ("GET", "/vendors/app/preview", None, "viewer"),
    ("GET", "/vendors/app/audit", None, "viewer"),
    ("GET", "/vendors/app/preview/users", None, "admin"),
    ("POST", "/vendors", {"id": "new", "scopes": [ROSTER]}, "admin"),
    ("POST", "/vendors/app/rotate", {}, "admin"),
    ("POST", "/vendors/app/grant", {"schools": ["s1"]}, "admin"),
    ("POST", "/vendors/app/revoke", None, "admin"),
]


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


async def test_a_secret_is_in_the_one_answer_and_nowhere_else(
    one: Replica, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    first = await one.make()
    second = (await one.ask("POST", "/vendors/app/rotate", {})).json()["secret"]
    tokens = [(await one.token(secret)).json()["access_token"] for secret in (first, second)]
    await one.token(f"{first}x")
    answers = [
        await one.ask(verb, path, body, dryRun="true")
        for verb, path, body, _ in DOORS
        if not path.endswith("revoke")
    ]
    await one.publishing.audit.flush()

    rows = await one.publishing.rows("""
        SELECT c::text AS row FROM roster_publisher.client c
        UNION ALL SELECT a::text FROM roster_publisher.pull_audit a
        UNION ALL SELECT t::text FROM roster_publisher.access_token t
        UNION ALL SELECT g::text FROM roster_publisher.grant_ g
    """)
    said = capsys.readouterr()
    everywhere = [
        *(row["row"] for row in rows),
        *(answer.text for answer in answers),
        caplog.text,
        said.out,
        said.err,
        render()[0].decode(),
    ]
    for secret in (first, second, *tokens):
        assert not [text for text in everywhere if secret in text]


async def test_a_vendor_beyond_its_pace_is_told_when_to_come_again(one: Replica) -> None:
    bearer = await one.bearer(await one.make(rate=0.5, burst=2))

    answers = [await one.read(bearer, "orgs") for _ in range(3)]
    feed = await one.http.get("/changes", headers=bearer)
    old = await one.http.get("/ims/oneroster/v1p1/orgs", headers=bearer)
    one.publishing.clock.advance(2)
    again = await one.read(bearer, "orgs")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    for answer in (answers[2], old):
        minor = answer.json()["imsx_CodeMinor"]["imsx_codeMinorField"][0]
        assert minor["imsx_codeMinorFieldValue"] == "server_busy"
        assert answer.headers["retry-after"] == "2"
    assert feed.status_code == 429
    assert feed.json()["code"] == "server_busy"
    assert feed.headers["retry-after"] == "2"
    assert again.status_code == 200
    # Nothing was pulled, so nothing is kept.
    await one.publishing.audit.flush()
    kept = await one.publishing.audit.entries("d1", "app", limit=50)
    assert 429 not in {entry.entry.status for entry in kept}


async def test_who_guesses_waits_and_locks_out_nobody_else(one: Replica) -> None:
    await one.make()
    secret = await one.make("other")

    answers = [(await one.token("hrs_guessed")).status_code for _ in range(11)]
    refused = await one.token("hrs_guessed")
    one.publishing.clock.advance(10)

    assert answers == [401] * 10 + [429]
    assert refused.json()["error"] == "temporarily_unavailable"
    assert refused.headers["retry-after"] == "10"
    assert (await one.token(secret, "other")).status_code == 200
    assert (await one.token("hrs_guessed")).status_code == 401


async def test_tokens_have_a_pace_that_nobody_else_can_use_up(publishing: Publishing) -> None:
    publishing.pace = Pace(rate=1, burst=2)
    async with replica(publishing) as one:
        secret = await one.make()
        for _ in range(5):
            await one.token("hrs_guessed")

        answers = [(await one.token(secret)).status_code for _ in range(3)]

    assert answers == [200, 200, 429]


async def test_the_audit_is_paged_and_says_who_changed_what(one: Replica) -> None:
    bearer = await one.bearer(await one.make())
    for _ in range(4):
        one.publishing.clock.advance(1)
        await one.read(bearer)
    one.publishing.clock.advance(1)
    await one.ask("POST", "/vendors/app/grant", {"fields": ["names"], "agreement": "2026-17"})
    await one.publishing.audit.flush()

    seen: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while True:
        page = (await one.ask("GET", "/vendors/app/audit", limit=2, **more)).json()
        seen += page["entries"]
        if page["next"] is None:
            break
        more = {"before": page["next"]}
    bad = await one.ask("GET", "/vendors/app/audit", before="x")

    assert [(e["door"], e["what"], e["by"]) for e in seen if e["door"] != "token"] == [
        ("admin", "grant", "ana"),
        *[("oneroster12", "users", None)] * 4,
        ("admin", "create", "ana"),
    ]
    (change,) = (e for e in seen if e["what"] == "grant")
    assert change["detail"] == "fields agreement"
    assert bad.status_code == 422
