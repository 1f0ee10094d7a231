"""Calls to one source take turns, and time runs for a call only once it is its turn."""

import asyncio

import httpx2

from roster_common.runtime.http import HttpClient
from roster_common.runtime.pacing import CallPolicy
from roster_common.testkit.clock import FixedClock
from sis_ingest.adapters.calls import HttpCalls, SignIn


async def test_a_call_behind_slow_ones_has_all_of_its_time() -> None:
    clock = FixedClock()

    async def slow(_request: httpx2.Request) -> httpx2.Response:
        # All of them are asked for before the first one is answered.
        for _ in range(20):
            await asyncio.sleep(0)
        clock.advance(20.0)
        return httpx2.Response(200, content=b"{}")

    transport = httpx2.MockTransport(slow)
    policy = CallPolicy(max_concurrency=1)
    async with HttpClient(
        default=policy, transport=transport, clock=clock, sleep=clock.sleep
    ) as http:
        calls = HttpCalls(
            http,
            name="sis",
            base_url="https://sis.example",
            sign_in=SignIn(auth="none", client_id="c", client_secret="s"),
            clock=clock,
            timeout_s=30.0,
            at_once=1,
        )
        answers = await asyncio.gather(*(calls.send("GET", f"/{n}") for n in range(5)))

    assert [answer.status for answer in answers] == [200] * 5
