"""Calls that are signed: a nonce counts once, so what is repeated is signed by itself."""

import re

import httpx2

from roster_common.runtime.http import HttpClient
from roster_common.testkit.clock import FixedClock
from sis_ingest.adapters.calls import HttpCalls, SignIn


async def test_a_call_that_is_repeated_has_a_nonce_of_its_own() -> None:
    nonces: list[str] = []

    def outside(request: httpx2.Request) -> httpx2.Response:
        nonces.extend(re.findall(r'oauth_nonce="(\w+)"', request.headers["authorization"]))
        return httpx2.Response(503 if len(nonces) < 3 else 200, content=b"{}")

    clock = FixedClock()
    transport = httpx2.MockTransport(outside)
    async with HttpClient(transport=transport, clock=clock, sleep=clock.sleep) as http:
        calls = HttpCalls(
            http,
            name="sis",
            base_url="https://sis.example",
            sign_in=SignIn(auth="oauth1_sha1", client_id="c", client_secret="s"),
            clock=clock,
            timeout_s=30.0,
            at_once=1,
        )
        answer = await calls.send("GET", "/orgs", query={"limit": "1"})

    assert answer.status == 200
    assert len(set(nonces)) == 3
