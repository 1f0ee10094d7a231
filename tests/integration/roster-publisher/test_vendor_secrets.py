"""Secrets that are rotated and vendors that end: at once, in the midst of reads too (ADR 0029)."""

import asyncio
import logging
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from roster_common.runtime.lifecycle import Stopping
from roster_common.runtime.metrics import render
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.adapters.secrets import SecretDigests
from roster_publisher.entrypoints.jobs.access import watch_access
from roster_publisher.entrypoints.oneroster.app import CutOffError
from roster_publisher.usecases import read_collection
from roster_publisher.usecases.tokens import IssueToken, RecogniseToken, TokenRefused
from tests.support.administering import DOORS, Replica, ids, replica
from tests.support.eventually import eventually
from tests.support.publishing import Publishing


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


async def test_only_so_many_secrets_count_at_once(one: Replica) -> None:
    first = await one.make()
    rotated = [await one.ask("POST", "/vendors/app/rotate", {}) for _ in range(4)]
    secrets = [first, *(answer.json()["secret"] for answer in rotated)]

    for how in ({}, {"dryRun": "true"}):
        refused = await one.ask("POST", "/vendors/app/rotate", {}, **how)
        assert (refused.status_code, refused.json()["code"]) == (409, "vendor_secrets_full")
    counting = [(await one.token(secret)).status_code for secret in secrets]
    tried = await one.ask("POST", "/vendors/app/rotate", {"overlapHours": 0}, dryRun="true")
    ended = await one.ask("POST", "/vendors/app/rotate", {"overlapHours": 0})
    again = await one.ask("POST", "/vendors/app/rotate", {})

    assert counting == [200] * 5
    assert [answer.status_code for answer in (tried, ended, again)] == [200] * 3
    assert {(await one.token(secret)).status_code for secret in secrets} == {401}


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


async def test_a_token_asked_for_with_a_secret_that_ends_meanwhile_is_not_kept(
    one: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = await one.make()
    publishing = one.publishing
    vendors = PostgresVendors(publishing.database)
    look = vendors.client

    async def rotated_meanwhile(client_id: str) -> Any:
        found = await look(client_id)
        await one.ask("POST", "/vendors/app/rotate", {"overlapHours": 0})
        return found

    monkeypatch.setattr(vendors, "client", rotated_meanwhile)
    issue = IssueToken(vendors, SecretDigests(), publishing.clock, publishing.audit)

    outcome = await issue(client_id="app", secret=secret, scope=None)

    assert outcome == TokenRefused(error="invalid_client")
    assert await publishing.rows("SELECT * FROM roster_publisher.access_token") == []


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


def meanwhile(
    one: Replica, monkeypatch: pytest.MonkeyPatch, *order: Any, piece: int
) -> Callable[[], int]:
    """Pages are read row by row, and an operator asks for `order` before the given piece is read;
    says how many were.
    """
    monkeypatch.setattr(read_collection, "CHUNK_ROWS", 1)
    reads = one.publishing.reads
    page_at, pieces = reads.page_at, count(1)

    async def read(*query: Any, **how: Any) -> Any:
        if next(pieces) == piece:
            await one.ask("POST", *order)
        return await page_at(*query, **how)

    monkeypatch.setattr(reads, "page_at", read)
    return lambda: next(pieces) - 1


async def test_a_long_page_ends_when_its_vendor_is_revoked(
    one: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = await one.bearer(await one.make())
    pieces = meanwhile(one, monkeypatch, "/vendors/app/revoke", piece=1)

    answer = await one.read(bearer)

    # Nothing had left yet, so it is told; three users were asked for.
    assert answer.status_code == 403
    assert pieces() == 1


async def test_a_page_half_sent_breaks_off_when_its_grant_is_narrowed(
    one: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = await one.bearer(await one.make())
    meanwhile(one, monkeypatch, "/vendors/app/grant", {"schools": ["s2"]}, piece=2)

    with pytest.raises(CutOffError):
        await one.read(bearer)

    await one.publishing.audit.flush()
    (entry, *_) = await one.publishing.audit.entries("d1", "app", limit=1)
    assert entry.entry.detail.endswith(" cut")


async def test_another_replica_looks_anew_when_it_sees_that_something_changed(
    one: Replica,
) -> None:
    # The clock stands still, so nothing that is remembered of a token ends by itself.
    stopping = Stopping()
    async with replica(one.publishing) as other, asyncio.TaskGroup() as group:
        bearer = await one.bearer(await one.make())
        assert (await other.read(bearer)).status_code == 200
        await one.ask("POST", "/vendors/app/grant", {"schools": ["s2"]})
        assert ids(await other.read(bearer)) == ["amy", "u000", "u001"]

        group.create_task(watch_access(other.version, other.recognise.forget)(stopping))

        async def sees(wanted: list[str] | None) -> bool:
            answer = await other.read(bearer)
            return answer.status_code == 401 if wanted is None else ids(answer) == wanted

        await eventually(lambda: sees(["amy"]), what="the narrowed grant is seen")
        await one.ask("POST", "/vendors/app/revoke")
        await eventually(lambda: sees(None), what="the token is over")
        stopping.set()


async def test_without_a_look_the_end_of_a_vendor_is_seen_in_half_a_minute(one: Replica) -> None:
    async with replica(one.publishing) as other:
        bearer = await one.bearer(await one.make())
        assert (await other.read(bearer)).status_code == 200
        await one.ask("POST", "/vendors/app/revoke")
        one.publishing.clock.advance(31)

        assert (await other.read(bearer)).status_code == 401


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
