"""A directory that says yes and does something else is seen, and is not asked for ever."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import httpx2
import pytest

from tests.support.eventually import eventually

RECONCILE = "/reconcile?district=north&target=north-directory"


class Stubborn:
    """In front of the real directory: display names end up in capitals, and some stay on."""

    def __init__(self, real: str) -> None:
        self.real = real.removesuffix("/v2")
        self.changes = 0
        self.keeps_on = False
        self._lock = Lock()

    def bent(self, body: bytes) -> bytes:
        """The request as this directory takes it."""
        with self._lock:
            self.changes += 1
        asked = json.loads(body)
        for operation in asked.get("Operations", ()):
            if operation.get("path") == "displayName":
                operation["value"] = operation["value"].upper()
            if operation.get("path") == "active" and self.keeps_on:
                operation["value"] = True
        if "displayName" in asked:
            asked["displayName"] = asked["displayName"].upper()
        return json.dumps(asked).encode()


@pytest.fixture
def stubborn(world) -> Iterator[tuple[Stubborn, str]]:
    """The directory with a will of its own, and its address."""
    will = Stubborn(world.scim.url)

    class Handler(BaseHTTPRequestHandler):
        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            answer = httpx2.request(
                self.command,
                will.real + self.path,
                content=will.bent(body) if body else None,
                headers={
                    name: self.headers[name]
                    for name in ("authorization", "content-type", "accept")
                    if name in self.headers
                },
            )
            self.send_response(answer.status_code)
            self.send_header("content-type", "application/scim+json")
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PATCH = _forward  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            """Nothing: the test reads the directory."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield will, f"http://127.0.0.1:{server.server_port}/v2"
    server.shutdown()
    server.server_close()


async def test_a_value_that_is_not_taken_is_shown_and_asked_for_once(
    world, stubborn, a_person, an_event
):
    will, url = stubborn
    program = world.start(HOMEROOM_TARGETS=world.targets(url=url))
    await world.tell(an_event(a_person("p1")))
    await eventually(lambda: world.user("p1"))
    await eventually(world.settled)
    asked = will.changes

    await world.post(program, RECONCILE, role="operator")
    await eventually(lambda: _read(world, program))
    await eventually(world.settled)

    (account,) = (await world.page(program, "/accounts/p1")).json()["accounts"]
    assert account["unheeded"] == ["displayName"]
    assert account["attributes"]["displayName"] == "ADA LOVELACE"
    assert will.changes == asked
    # Another wish is asked for.
    await world.tell(an_event(a_person("p1", family_name="Byron", revision=2)))
    await eventually(lambda: _shown(world, "ADA BYRON"))


async def test_an_account_that_stays_on_is_parked_with_a_reason(
    world, stubborn, a_person, an_event
):
    will, url = stubborn
    program = world.start(HOMEROOM_TARGETS=world.targets(url=url))
    await world.tell(an_event(a_person("p1")))
    await eventually(lambda: world.user("p1"))
    await eventually(world.settled)
    will.keeps_on = True

    await world.tell(an_event(a_person("p1", enabled=False, revision=2)))

    account = await eventually(lambda: _failed(world, program))
    assert (account["state"], account["lastErrorCode"]) == ("enabled", "not_heeded")
    assert account["waiting"]["attempts"] == 1


async def _read(world, program):
    target = (await world.page(program, "/status")).json()["targets"][0]
    return target["lastReadOutcome"] == "believed"


async def _shown(world, name):
    return (await world.user("p1"))["displayName"] == name


async def _failed(world, program):
    (account,) = (await world.page(program, "/accounts/p1")).json()["accounts"]
    return account if account["lastErrorCode"] else None
