"""What a vendor is shown to see, how fast it may ask, and what is kept of both (ADR 0029)."""

from datetime import timedelta
from typing import Any

from roster_publisher.domain.collections import V1P1_SCOPE_PREFIX
from roster_publisher.domain.pacing import Pace
from tests.support.administering import SCOPES, Replica, replica
from tests.support.oneroster_records import user
from tests.support.publishing import Publishing


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
