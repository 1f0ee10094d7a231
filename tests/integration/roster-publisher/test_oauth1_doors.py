"""OneRoster 1.1 for vendors that sign by OAuth 1.0a: what lets them in, and what never does."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from roster_common.runtime.sealing import KEY_BYTES, Seal
from roster_publisher.domain.access import SigningKey
from roster_publisher.domain.collections import KNOWN_SCOPES, V1P1_SCOPES
from tests.support.oauth1 import HASHES, KEY, PLACES, SECRET, signed
from tests.support.oneroster_records import school_world
from tests.support.oneroster_v1p1 import check_v1p1_status
from tests.support.publishing import BASE, PUBLISHED, Publishing

OLD = f"{BASE}/ims/oneroster/v1p1"
EVERY = pytest.mark.parametrize(
    ("hashed_by", "place"), [(one, place) for one in HASHES for place in PLACES]
)


@asynccontextmanager
async def signing(
    publishing: Publishing, *, secret: str = SECRET, **grant: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    """A vendor with a key over a small roster, and a client without a token."""
    await publishing.publish(*school_world(users=3))
    publishing.signing["vendor"] = SigningKey(
        district_id="d1", client_id="vendor", key=KEY, secret=secret
    )
    async with publishing.vendor(**grant), publishing.http() as http:
        yield http


def ask(
    publishing: Publishing, path: str = "users", params: Any = (), **how: Any
) -> httpx2.Request:
    """A request signed now."""
    at = how.pop("at", publishing.clock.now().timestamp())
    return signed(f"{OLD}/{path}", params, at=at, **how)


def refused(answer: httpx2.Response) -> str:
    """The words of a 401 of 1.1, which say nothing of a secret."""
    assert answer.status_code == 401, answer.text
    check_v1p1_status(answer.json(), severity="error", minor="unauthorisedrequest")
    assert answer.headers.get_list("www-authenticate") == [
        'Bearer realm="oneroster"',
        'OAuth realm="oneroster"',
    ]
    assert SECRET not in answer.text
    assert "secret &" not in answer.text
    return str(answer.json()["imsx_description"])


@EVERY
async def test_a_signature_reads_what_a_token_reads(
    publishing: Publishing, hashed_by: str, place: str
) -> None:
    asked = [
        ("limit", "2"),
        ("filter", "givenName~'a' OR familyName!='it''s + 1% & é'"),
        ("fields", "sourcedId"),
        ("fields", "role"),
        ("empty", ""),
        ("limitless", "a=b&c"),
    ]
    async with signing(publishing) as http:
        token = await publishing.issue("vendor")
        bearer = {"authorization": f"Bearer {token.token}"}  # type: ignore[union-attr]
        by_token = await http.get(f"{OLD}/users", params=asked, headers=bearer)
        request = ask(publishing, params=asked, hashed_by=hashed_by, place=place)
        by_signature = await http.send(request)
        single = await http.send(ask(publishing, "users/u000", hashed_by=hashed_by, place=place))

    assert by_token.status_code == by_signature.status_code == single.status_code == 200
    assert by_signature.json() == by_token.json()
    assert len(by_signature.json()["users"]) == 2
    assert by_signature.headers["link"] == by_token.headers["link"]
    assert "oauth_" not in by_signature.headers["link"]


@EVERY
async def test_links_are_followed_by_signing_each(
    publishing: Publishing, hashed_by: str, place: str
) -> None:
    seen: list[str] = []
    async with signing(publishing) as http:
        following: str | None = f"{OLD}/users?limit=1&filter=status%3D'active'"
        while following is not None:
            at = publishing.clock.now().timestamp()
            answer = await http.send(signed(following, at=at, hashed_by=hashed_by, place=place))
            assert answer.status_code == 200, answer.text
            seen += [row["sourcedId"] for row in answer.json()["users"]]
            following = answer.links.get("next", {}).get("url")

    assert seen == ["u000", "u001", "u002"]


@EVERY
async def test_a_request_is_let_in_once_by_whatever_process(
    publishing: Publishing, hashed_by: str, place: str
) -> None:
    async with signing(publishing) as http, publishing.http() as replica:
        request = ask(publishing, hashed_by=hashed_by, place=place)
        first = await http.send(request)
        again = [refused(await one.send(request)) for one in (http, replica)]
        fresh = [ask(publishing, hashed_by=hashed_by, place=place) for _ in range(8)]
        answers = await asyncio.gather(
            *(one.send(request) for request in fresh for one in (http, replica))
        )

    assert first.status_code == 200
    assert again == ["this oauth_nonce was used before; every request needs one of its own"] * 2
    assert sorted(one.status_code for one in answers) == [200] * 8 + [401] * 8


async def test_a_nonce_is_kept_as_long_as_its_request_is_timely(publishing: Publishing) -> None:
    async with signing(publishing) as http:
        ahead = ask(publishing, at=publishing.clock.now().timestamp() + 300)
        assert (await http.send(ahead)).status_code == 200
        publishing.clock.advance(600)
        await publishing.purge()
        late = refused(await http.send(ahead))
        kept = await publishing.rows("SELECT * FROM roster_publisher.nonce")
        publishing.clock.advance(601)
        await publishing.purge()
        gone = await publishing.rows("SELECT * FROM roster_publisher.nonce")
        too_late = refused(await http.send(ahead))

    assert "used before" in late
    assert (len(kept), gone) == (1, [])
    assert too_late == "oauth_timestamp is more than 300 s from the time here"


async def test_a_nonce_of_another_moment_or_vendor_is_another(publishing: Publishing) -> None:
    publishing.signing["other"] = SigningKey(
        district_id="d2", client_id="other", key="other-key", secret=SECRET
    )
    async with signing(publishing) as http, publishing.vendor("other", district="d2"):
        now = publishing.clock.now().timestamp()
        requests = [
            ask(publishing, nonce="n"),
            ask(publishing, nonce="n", at=now + 1),
            ask(publishing, nonce="n", key="other-key"),
        ]
        answers = [await http.send(request) for request in requests]

    assert [one.status_code for one in answers] == [200] * 3
    assert [len(one.json()["users"]) for one in answers] == [3, 3, 0]


async def test_what_does_not_fit_is_refused_and_spends_no_nonce(publishing: Publishing) -> None:
    async with signing(publishing) as http:
        good = ask(publishing, params={"limit": "2"})
        wrong = [
            ask(publishing, secret="wrong"),
            ask(publishing, key="nobody"),
            httpx2.Request("GET", f"{good.url}&offset=1", headers=good.headers),
            httpx2.Request("GET", str(good.url).replace("users", "orgs"), headers=good.headers),
            httpx2.Request("HEAD", good.url, headers=good.headers),
        ]
        told = {refused(await http.send(one)) for one in wrong[:-1]}
        head = await http.send(wrong[-1])
        fine = await http.send(good)
        spent = await publishing.rows("SELECT * FROM roster_publisher.nonce")

    (words,) = told
    assert words.startswith("the key is unknown or the signature does not fit")
    assert words.endswith(f"begins with {OLD}/")
    assert head.status_code == 401
    assert fine.status_code == 200
    assert len(spent) == 1


@pytest.mark.parametrize("late", [-301, 301])
async def test_a_request_of_another_time_is_refused(publishing: Publishing, late: int) -> None:
    async with signing(publishing) as http:
        now = publishing.clock.now().timestamp()
        words = refused(await http.send(ask(publishing, at=now + late)))

    assert words == "oauth_timestamp is more than 300 s from the time here"


async def test_the_address_is_the_public_one_where_there_is_one(publishing: Publishing) -> None:
    publishing.public_url = "https://roster.example/district/"
    async with signing(publishing) as http:
        at = publishing.clock.now().timestamp()
        outside = "https://roster.example/district/ims/oneroster/v1p1"
        for host, status in ((outside, 200), (OLD, 401)):
            request = signed(f"{host}/users", {"limit": "1"}, at=at)
            there = str(request.url).replace(host, OLD)
            answer = await http.send(
                httpx2.Request(
                    "GET", there, headers={"authorization": request.headers["authorization"]}
                )
            )
            assert answer.status_code == status, answer.text
    assert f"begins with {outside}/" in answer.text


async def test_a_key_has_the_scopes_of_its_grant(publishing: Publishing) -> None:
    scope = "https://purl.imsglobal.org/spec/or/v1p1/scope/"
    opened = {}
    for scopes in (
        KNOWN_SCOPES - V1P1_SCOPES,
        frozenset({f"{scope}roster-core.readonly"}),
        frozenset({f"{scope}roster-demographics.readonly"}),
    ):
        async with signing(publishing, scopes=scopes) as http:
            answers = [
                (await http.send(ask(publishing, path))).status_code
                for path in ("users", "classes/k1/students", "demographics")
            ]
            opened[min(scopes).rpartition("/")[2]] = answers

    assert opened == {
        "roster-demographics.readonly": [403, 403, 200],
        "roster-core.readonly": [200, 403, 403],
    } | {min(KNOWN_SCOPES - V1P1_SCOPES).rpartition("/")[2]: opened["roster-core.readonly"]}


async def test_a_signature_opens_nothing_but_1_1(publishing: Publishing) -> None:
    async with signing(publishing) as http:
        at = publishing.clock.now().timestamp()
        for place in PLACES:
            new = await http.send(signed(f"{BASE}/users", at=at, place=place))
            feed = await http.send(signed(f"{BASE}/changes", at=at, place=place))
            assert (new.status_code, feed.status_code) == (401, 401)


async def test_an_agreement_that_has_ended_ends_the_key(publishing: Publishing) -> None:
    ends = publishing.clock.now() + timedelta(seconds=100)
    async with signing(publishing, expires_at=ends) as http:
        before = await http.send(ask(publishing))
        publishing.clock.advance(100)
        after = await http.send(ask(publishing))

    assert (before.status_code, after.status_code) == (200, 403)
    check_v1p1_status(after.json(), severity="error", minor="forbidden")


async def test_a_key_that_settings_no_longer_give_ends_at_once(publishing: Publishing) -> None:
    async with signing(publishing) as http:
        assert (await http.send(ask(publishing))).status_code == 200
        changed = publishing.signing.pop("vendor")
        await publishing.seed()
        refused(await http.send(ask(publishing)))
        publishing.signing["vendor"] = changed
        await publishing.seed()
        assert (await http.send(ask(publishing))).status_code == 200
        del publishing.clients["vendor"], publishing.signing["vendor"]
        await publishing.seed()
        refused(await http.send(ask(publishing)))
        rows = await publishing.rows("SELECT * FROM roster_publisher.signing_key")

    assert rows == []


async def test_a_secret_is_sealed_to_its_client_and_changes_with_settings(
    publishing: Publishing,
) -> None:
    stored = "SELECT sealed_secret FROM roster_publisher.signing_key"
    async with signing(publishing) as http:
        (first,) = await publishing.rows(stored)
        await publishing.seed()
        (same,) = await publishing.rows(stored)
        # A new key of the installation takes over at the next start.
        keys = [bytes([1] * KEY_BYTES), bytes(KEY_BYTES)]
        publishing.seal = Seal(keys)
        await publishing.seed()
        (resealed,) = await publishing.rows(stored)
        publishing.seal = Seal(keys[:1])
        async with publishing.http() as later:
            fits = await later.send(ask(publishing))
        publishing.seal = Seal([bytes([2] * KEY_BYTES)])
        async with publishing.http() as foreign:
            words = refused(await foreign.send(ask(publishing)))
        await publishing.seed()
        async with publishing.http() as again:
            healed = await again.send(ask(publishing))
        await publishing.rows("UPDATE roster_publisher.signing_key SET key = 'moved' RETURNING key")
        refused(await http.send(ask(publishing, key="moved")))

    assert same == first != resealed
    assert SECRET.encode() not in bytes(first["sealed_secret"])
    assert (fits.status_code, healed.status_code) == (200, 200)
    assert words.startswith("the key is unknown")


async def test_a_published_secret_opens_nothing(publishing: Publishing) -> None:
    async with signing(publishing, secret=PUBLISHED) as http:
        words = refused(await http.send(ask(publishing, secret=PUBLISHED)))

    assert words.startswith("the key is unknown")


async def test_requests_that_cannot_be_read_are_refused_in_words(publishing: Publishing) -> None:
    async with signing(publishing) as http:
        told = {
            header: refused(await http.get(f"{OLD}/users", headers={"authorization": header}))
            for header in ("OAuth x", 'OAuth oauth_nonce="n"', "Basic YTpi", "OAuth")
        }
        half = refused(await http.get(f"{OLD}/users?oauth_consumer_key=k"))
        nul = refused(await http.send(ask(publishing, key="k\x00")))
        bare = refused(await http.get(f"{OLD}/users"))

    assert told["OAuth x"] == 'the header is not: OAuth name="value", name="value"'
    assert told['OAuth oauth_nonce="n"'] == "oauth_consumer_key is missing, empty or too long"
    assert half == "oauth_signature_method is missing, empty or too long"
    assert nul.startswith("the key is unknown")
    assert told["Basic YTpi"] == told["OAuth"] == bare
    assert bare == "a bearer token or a signature by OAuth 1 is needed"


async def test_an_unknown_key_costs_what_a_wrong_secret_costs(publishing: Publishing) -> None:
    async with signing(publishing) as http:
        done = [
            await calls_of_ours(lambda request=request: http.send(request))
            for request in (
                ask(publishing, secret="wrong"),
                ask(publishing, key="nobody"),
            )
        ]

    wrong, unknown = ({name: n for name, n in one.items() if name in COSTLY} for one in done)
    assert wrong == unknown
    assert set(wrong) == COSTLY


# What a refusal spends its time on: statements, opening a seal, and the signature.
COSTLY = {"client", "find", "open", "is_signed_with", "_base_string"}


async def calls_of_ours(work: Callable[[], Awaitable[httpx2.Response]]) -> Counter[str]:
    """How often each function of the product was entered meanwhile."""
    seen: Counter[str] = Counter()
    started: set[int] = set()

    def note(frame: Any, event: str, _argument: object) -> None:
        code = frame.f_code
        ours = "roster_publisher" in code.co_filename or "sealing" in code.co_filename
        # A coroutine is entered again after each wait: its frame is the same.
        if event == "call" and ours and id(frame) not in started:
            started.add(id(frame))
            kept.append(frame)
            seen[code.co_name] += 1

    kept: list[object] = []
    sys.setprofile(note)
    try:
        answer = await work()
    finally:
        sys.setprofile(None)
    assert answer.status_code == 401
    return seen
