"""Packages over HTTP: so many at once, none held by a caller who is gone, each in the audit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import Message

from roster_common.runtime.problems import install_problem_handlers
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.domain.audit import AuditEntry
from roster_publisher.entrypoints.http.exports import export_routes
from roster_publisher.entrypoints.http.vendors import VendorDoor
from roster_publisher.usecases.export_package import PackageBroken
from roster_publisher.usecases.note_pulls import NotePulls
from roster_publisher.usecases.pace_callers import PaceCallers
from roster_publisher.usecases.tokens import RecogniseToken
from tests.support.csv_package import read_package
from tests.support.oneroster_records import school_world
from tests.support.publishing import BASE, Publishing

AT = "/exports/oneroster.zip"
LONG_S = 30.0


def door(publishing: Publishing, *, at_once: int, taken_within_s: float = LONG_S) -> FastAPI:
    """The door of one process."""
    app, clock = FastAPI(), publishing.clock
    install_problem_handlers(app)
    recognise = RecogniseToken(PostgresVendors(publishing.database), clock)
    pace, notes = PaceCallers(publishing.pace, clock), NotePulls(publishing.audit, clock)
    vendor = VendorDoor(recognise, clock, pace, notes)
    routes = export_routes(
        vendor, publishing.export, at_once=at_once, taken_within_s=taken_within_s
    )
    app.include_router(routes)
    return app


async def token(publishing: Publishing, client_id: str) -> Mapping[str, str]:
    """The header of a vendor's requests."""
    async with publishing.vendor(client_id) as http:
        return {"authorization": http.headers["authorization"]}


async def asked(app: FastAPI, headers: Mapping[str, str]) -> httpx2.Response:
    """A whole answer."""
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
        return await http.get(AT, headers=headers)


class Caller:
    """Asks for a package and takes of it what a test lets it take."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.got: list[bytes] = []
        self.began = asyncio.Event()
        self.takes_headers = asyncio.Event()
        self.takes_headers.set()
        self.goes_on = asyncio.Event()
        self.hangs_up = asyncio.Event()
        self._asked = False

    async def ask(self, app: FastAPI) -> None:
        """Until the service is done with it."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": AT,
            "raw_path": AT.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": self.headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        await app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.hangs_up.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self.takes_headers.wait()
        else:
            self.got.append(message["body"])
            self.began.set()
            await self.goes_on.wait()


@asynccontextmanager
async def asking(app: FastAPI, caller: Caller) -> AsyncIterator[asyncio.Task[None]]:
    """A caller who has got a first piece and takes no more."""
    task = asyncio.create_task(caller.ask(app))
    try:
        async with asyncio.timeout(LONG_S):
            await caller.began.wait()
        yield task
    finally:
        caller.goes_on.set()
        await asyncio.gather(task, return_exceptions=True)


async def packages(publishing: Publishing, client: str) -> Sequence[AuditEntry]:
    """What the audit has of a vendor's packages, in the order of time."""
    await publishing.audit.flush()
    found = await publishing.audit.entries("d1", client, limit=100)
    return [one.entry for one in reversed(found) if one.entry.door == "export"]


async def test_a_client_leaves_half_of_the_turns_to_others(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=3))
    one, two, three = [await token(publishing, name) for name in ("one", "two", "three")]
    app = door(publishing, at_once=2)
    async with asking(app, Caller(one)):
        refused = await asked(app, one)
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "60"
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["code"] == "server_busy"
        async with asking(app, Caller(two)):
            assert (await asked(app, three)).status_code == 429
        read_package((await asked(app, three)).content)
    read_package((await asked(app, one)).content)
    kept = await packages(publishing, "one")
    assert sorted((entry.status, entry.detail) for entry in kept) == [
        (200, "1.2 bulk"),
        (200, "1.2 bulk"),
        (429, "1.2 bulk"),
    ]


async def _hangs_up(caller: Caller, task: asyncio.Task[None]) -> None:
    caller.hangs_up.set()
    async with asyncio.timeout(LONG_S):
        await task


async def _takes_no_more(_caller: Caller, task: asyncio.Task[None]) -> None:
    with pytest.raises(PackageBroken) as broken:
        async with asyncio.timeout(LONG_S):
            await task
    assert broken.value.reason == "not_taken"


@pytest.mark.parametrize(("what", "taken_within_s"), [(_hangs_up, LONG_S), (_takes_no_more, 0.1)])
async def test_whoever_is_gone_holds_no_turn(
    publishing: Publishing,
    what: Callable[[Caller, asyncio.Task[None]], Awaitable[Any]],
    taken_within_s: float,
) -> None:
    await publishing.publish(*school_world(users=3))
    one = await token(publishing, "one")
    app, caller = door(publishing, at_once=1, taken_within_s=taken_within_s), Caller(one)
    async with asking(app, caller) as task:
        await what(caller, task)
        assert (await asked(app, one)).status_code == 200
    kept = await packages(publishing, "one")
    assert sorted((entry.status, entry.detail) for entry in kept) == [
        (200, "1.2 bulk"),
        (200, "1.2 bulk cut"),
    ]


async def test_a_caller_who_is_gone_before_the_first_byte_is_in_the_audit(
    publishing: Publishing,
) -> None:
    await publishing.publish(*school_world(users=3))
    one = await token(publishing, "one")
    app, caller = door(publishing, at_once=1), Caller(one)
    caller.takes_headers.clear()
    caller.hangs_up.set()
    async with asyncio.timeout(LONG_S):
        await caller.ask(app)
    assert caller.got == []
    (entry,) = await packages(publishing, "one")
    assert (entry.status, entry.rows, entry.entities) == (None, 0, ())
    assert (entry.what, entry.detail, entry.revision) == ("oneroster.zip", "1.2 bulk cut", 1)
    assert (await asked(app, one)).status_code == 200
