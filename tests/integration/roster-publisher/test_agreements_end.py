"""An agreement that has ended stops delivery at every door, also of what is being sent."""

from collections.abc import MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from roster_publisher.adapters.postgres.pulls import PostgresPulls
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.domain.access import AgreementEnded
from roster_publisher.entrypoints.oneroster.app import CutOffError, OneRosterApp
from roster_publisher.usecases import read_collection
from roster_publisher.usecases.note_pulls import NotePulls
from roster_publisher.usecases.pace_callers import PaceCallers
from roster_publisher.usecases.read_changes import Changes, ChangesRequest
from roster_publisher.usecases.read_collection import ReadCollection
from roster_publisher.usecases.tokens import RecogniseToken
from tests.support.feed_reader import FeedReader
from tests.support.official_oneroster import check_error
from tests.support.oneroster_records import school_world, user
from tests.support.publishing import BASE, Publishing
from tests.support.pushing import pushing
from tests.support.webhook_receiver import start_receiver

OLD = "/ims/oneroster/v1p1"
SECRET = "whsec_" + "QUFB" * 8


async def test_an_agreement_that_has_ended_is_a_403_at_every_door(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=3))
    ends = publishing.clock.now() + timedelta(seconds=60)
    async with publishing.vendor(expires_at=ends) as http:
        paths = ("/users", "/users/u000", f"{OLD}/users", f"{OLD}/users/u000", "/changes")
        before = [await http.get(path) for path in paths]
        reader = FeedReader(http)
        await reader.poll()
        publishing.clock.advance(60)
        after = [await http.get(path) for path in paths]
        pulled = await http.get("/users?limit=2&offset=2")
        fed = await http.get("/changes", params={"after": reader.cursor or ""})

    assert [answer.status_code for answer in before] == [200] * 5
    assert [answer.status_code for answer in (*after, pulled, fed)] == [403] * 7
    check_error(after[0].json())
    assert fed.json()["code"] == "agreement_ended"
    assert "u000" not in "".join(answer.text for answer in (*after, pulled, fed))


async def test_a_page_that_is_being_sent_stops_with_its_agreement(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_collection, "CHUNK_ROWS", 2)
    await publishing.publish(*school_world(users=9))
    ends = publishing.clock.now() + timedelta(seconds=60)
    async with publishing.vendor(expires_at=ends) as http:
        sent: list[bytes] = []

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                publishing.clock.advance(60)
            else:
                sent.append(message["body"])

        with pytest.raises(CutOffError):
            await _app(publishing)(_request("/users", http.headers), _nothing, send)

    assert b"u001" in b"".join(sent)
    assert b"u002" not in b"".join(sent)


def _app(publishing: Publishing) -> OneRosterApp:
    return OneRosterApp(
        recognise=RecogniseToken(PostgresVendors(publishing.database), publishing.clock),
        collections=ReadCollection(
            publishing.reads, PostgresPulls(publishing.reads.lines), publishing.clock
        ),
        reads=publishing.reads,
        clock=publishing.clock,
        pace=PaceCallers(publishing.pace, publishing.clock),
        notes=NotePulls(publishing.audit, publishing.clock),
        public_url=BASE,
        hash_key=None,
    )


def _request(path: str, headers: httpx2.Headers) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"limit=9",
        "headers": [(b"authorization", headers["authorization"].encode())],
    }


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request"}


async def test_no_body_is_shaped_once_the_agreement_has_ended(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1))
    async with publishing.vendor(expires_at=publishing.clock.now() + timedelta(seconds=60)):
        grant = publishing.clients["vendor"].grant
    request = ChangesRequest(
        grant=grant, token_scopes=grant.token_scopes, after=None, limit=10, base=BASE
    )
    assert isinstance(await publishing.changes(request), Changes)
    publishing.clock.advance(60)

    # Whatever door forgets to ask.
    with pytest.raises(AgreementEnded):
        await publishing.changes(request)


async def test_a_webhook_is_silent_once_the_agreement_has_ended(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*school_world(users=1))
    ends = publishing.clock.now() + timedelta(seconds=60)
    receiver = start_receiver(tmp_path / "receiver", SECRET)
    try:
        async with (
            publishing.vendor(expires_at=ends),
            pushing(publishing, receiver.url, SECRET) as vendor,
        ):
            await vendor.all()
            before = len(receiver.calls())
            await publishing.publish(("user", user("u001")))
            publishing.clock.advance(60)
            await vendor.all()
            assert len(receiver.calls()) == before > 0
    finally:
        receiver.kill()
