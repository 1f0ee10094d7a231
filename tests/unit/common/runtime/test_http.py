"""The way out: tries again only what may be tried again, in bounded time, and spares the broken."""

import asyncio
import gzip
import itertools
from collections.abc import Callable
from contextlib import suppress

import httpx2
import pytest

from roster_common.runtime.http import BreakerOpen, HttpClient, OutsideUnavailable
from roster_common.runtime.metrics import sample
from roster_common.runtime.pacing import CallPolicy
from roster_common.testkit.clock import FixedClock

URL = "https://vendor.example/people?email=zach"
Answer = httpx2.Response | Exception


class Outside:
    """Gives its answers in turn, the last one for ever, and keeps when it was asked."""

    def __init__(self, clock: FixedClock, *answers: Answer) -> None:
        self._clock = clock
        self._answers = list(answers)
        self.asked_at: list[float] = []

    def __call__(self, _request: httpx2.Request) -> httpx2.Response:
        self.asked_at.append(self._clock.monotonic() - 1_000.0)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx2.Response(answer.status_code, headers=answer.headers)


def _client(
    outside: Callable[[httpx2.Request], object], clock: FixedClock, **policy: float
) -> HttpClient:
    return HttpClient(
        default=CallPolicy(**{"breaker_failures": 100, **policy}),
        transport=httpx2.MockTransport(outside),
        clock=clock,
        sleep=clock.sleep,
        chance=lambda: 1.0,
    )


def _say(status: int, **headers: str) -> httpx2.Response:
    return httpx2.Response(
        status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 404, 409, 500])
async def test_an_answer_that_is_for_the_caller_comes_back_at_once(clock, status):
    outside = Outside(clock, _say(status))
    async with _client(outside, clock) as http:
        answer = await http.request("GET", URL, name="t")

    assert answer.status_code == status
    assert len(outside.asked_at) == 1


@pytest.mark.parametrize(
    "fault",
    [
        _say(429),
        _say(502),
        _say(503),
        _say(504),
        httpx2.ConnectError("x"),
        httpx2.ReadError("x"),
        httpx2.ReadTimeout("x"),
        httpx2.RemoteProtocolError("x"),
    ],
)
async def test_an_idempotent_call_is_tried_again_with_growing_waits(clock, fault):
    outside = Outside(clock, fault, fault, _say(200))
    async with _client(outside, clock) as http:
        answer = await http.request("PUT", URL, name="t")

    assert answer.status_code == 200
    assert outside.asked_at == pytest.approx([0, 0.2, 0.6])


@pytest.mark.parametrize(
    ("fault", "cause", "maybe_done"),
    [
        (_say(503), "server_error", True),
        (_say(429), "throttled", False),
        (httpx2.ReadTimeout("x"), "timeout", True),
        (httpx2.ReadError("x"), "unreachable", True),
    ],
)
async def test_a_post_is_not_sent_twice(clock, fault, cause, maybe_done):
    outside = Outside(clock, fault, _say(201))
    async with _client(outside, clock) as http:
        with pytest.raises(OutsideUnavailable) as caught:
            await http.request("POST", URL, name="t", json={"a": 1})

    assert len(outside.asked_at) == 1
    assert (caught.value.cause, caught.value.maybe_done) == (cause, maybe_done)


async def test_a_post_that_never_left_us_is_tried_again(clock):
    outside = Outside(clock, httpx2.ConnectError("x"), _say(201))
    async with _client(outside, clock) as http:
        answer = await http.request("POST", URL, name="t")

    assert answer.status_code == 201


async def test_a_post_the_other_side_recognises_may_be_repeated(clock):
    outside = Outside(clock, _say(503), _say(201))
    async with _client(outside, clock) as http:
        answer = await http.request("POST", URL, name="t", repeat="always")

    assert answer.status_code == 201


async def test_a_call_that_must_not_be_repeated_is_not(clock):
    outside = Outside(clock, _say(503))
    async with _client(outside, clock) as http:
        with pytest.raises(OutsideUnavailable):
            await http.request("GET", URL, name="t", repeat="never")

    assert len(outside.asked_at) == 1


async def test_attempts_end(clock):
    outside = Outside(clock, _say(503))
    async with _client(outside, clock, max_attempts=3) as http:
        with pytest.raises(OutsideUnavailable) as caught:
            await http.request("GET", URL, name="t")

    assert len(outside.asked_at) == 3
    assert (caught.value.attempts, caught.value.status) == (3, 503)


@pytest.mark.parametrize("header", ["7", "Tue, 01 Sep 2026 08:00:07 GMT"])
async def test_retry_after_is_obeyed(clock, header):
    outside = Outside(clock, _say(429, retry_after=header), _say(200))
    async with _client(outside, clock) as http:
        await http.request("GET", URL, name="t")

    assert outside.asked_at == [0, 7]


async def test_retry_after_holds_for_other_calls_to_the_same_address(clock):
    outside = Outside(clock, _say(429, retry_after="7"), _say(200))
    async with _client(outside, clock) as http:
        with pytest.raises(OutsideUnavailable):
            await http.request("POST", URL, name="t")
        await http.request("GET", URL, name="t")

    assert outside.asked_at == [0, 7]


async def test_a_retry_after_beyond_the_time_given_is_handed_to_the_caller(clock):
    outside = Outside(clock, _say(503, retry_after="3600"))
    async with _client(outside, clock) as http:
        with pytest.raises(OutsideUnavailable) as caught:
            await http.request("GET", URL, name="t", timeout_s=20)

    assert caught.value.retry_after_s == 3600
    assert outside.asked_at == [0]


async def test_total_time_bounds_all_attempts_together(clock):
    outside = Outside(clock, _say(503))
    async with _client(outside, clock, max_attempts=50, backoff_first_s=1) as http:
        with pytest.raises(OutsideUnavailable):
            await http.request("GET", URL, name="t", timeout_s=10)

    assert max(outside.asked_at) < 10


async def test_an_answer_that_never_ends_is_cut_off():
    async def hangs(_request: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        return httpx2.Response(200)

    async with HttpClient(transport=httpx2.MockTransport(hangs)) as http:
        with pytest.raises(OutsideUnavailable) as caught:
            await http.request("GET", URL, name="t", timeout_s=0.05)

    assert caught.value.cause == "timeout"


async def test_a_breaker_spares_an_address_that_keeps_failing_and_tries_it_later(clock):
    outside = Outside(clock, _say(500), _say(500), _say(200))
    async with _client(outside, clock, breaker_failures=2, breaker_open_s=15) as http:
        await http.request("GET", URL, name="t-breaker")
        await http.request("GET", URL, name="t-breaker")
        opened = sample("breaker_open", host_name="t-breaker")
        with pytest.raises(BreakerOpen) as caught:
            await http.request("GET", URL, name="t-breaker")
        clock.advance(15)
        answer = await http.request("GET", URL, name="t-breaker")

    assert (opened, caught.value.retry_after_s) == (1, 15)
    assert answer.status_code == 200
    assert len(outside.asked_at) == 3
    assert sample("breaker_open", host_name="t-breaker") == 0


async def test_a_broken_address_does_not_hold_up_another(clock):
    def outside(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(500 if request.url.host == "a.example" else 200)

    async with _client(outside, clock, breaker_failures=1) as http:
        await http.request("GET", "https://a.example/", name="t")
        answer = await http.request("GET", "https://b.example/", name="u")

        assert answer.status_code == 200
        assert (http.is_open("t"), http.is_open("u")) == (True, False)


async def test_throttling_does_not_open_the_breaker(clock):
    outside = Outside(clock, _say(429))
    async with _client(outside, clock, breaker_failures=2) as http:
        for _ in range(2):
            with pytest.raises(OutsideUnavailable):
                await http.request("GET", URL, name="t")


async def test_a_cancelled_trial_does_not_leave_the_breaker_shut_for_ever(clock):
    asked = asyncio.Event()
    turn = 0

    async def outside(_request: httpx2.Request) -> httpx2.Response:
        nonlocal turn
        turn += 1
        if turn == 2:
            asked.set()
            await asyncio.Event().wait()
        return httpx2.Response(500 if turn == 1 else 200)

    async with _client(outside, clock, breaker_failures=1, breaker_open_s=5) as http:
        await http.request("GET", URL, name="t")
        clock.advance(5)
        trial = asyncio.create_task(http.request("GET", URL, name="t"))
        await asked.wait()
        trial.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trial
        answer = await http.request("GET", URL, name="t")

    assert answer.status_code == 200


async def test_the_rate_is_kept(clock):
    outside = Outside(clock, _say(200))
    async with _client(outside, clock, rate_per_s=2, burst=1) as http:
        for _ in range(4):
            await http.request("GET", URL, name="t")

    assert outside.asked_at == [0, 0.5, 1.0, 1.5]


async def test_no_more_calls_than_allowed_run_at_once(clock):
    running = most = 0

    async def outside(_request: httpx2.Request) -> httpx2.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running -= 1
        return httpx2.Response(200)

    async with _client(outside, clock, max_concurrency=3) as http, asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(http.request("GET", URL, name="t"))

    assert most == 3


async def test_a_queue_of_our_own_is_not_held_against_the_address():
    release = asyncio.Event()

    async def outside(_request: httpx2.Request) -> httpx2.Response:
        await release.wait()
        return httpx2.Response(200)

    policy = CallPolicy(max_concurrency=1, breaker_failures=1)
    http = HttpClient(default=policy, transport=httpx2.MockTransport(outside))
    async with http, asyncio.TaskGroup() as group:
        first = group.create_task(http.request("GET", URL, name="t"))
        await asyncio.sleep(0)
        with pytest.raises(OutsideUnavailable) as caught:
            await http.request("GET", URL, name="t", timeout_s=0.02)
        release.set()
        answer = await first
        later = await http.request("GET", URL, name="t")

    assert (caught.value.cause, caught.value.maybe_done) == ("throttled", False)
    assert (answer.status_code, later.status_code) == (200, 200)


async def test_every_attempt_is_counted_by_the_callers_name(clock):
    before = sample("outgoing_requests_total", host_name="t-count", outcome="server_error")
    outside = Outside(clock, _say(503), _say(200))
    async with _client(outside, clock) as http:
        await http.request("GET", URL, name="t-count")

    after = sample("outgoing_requests_total", host_name="t-count", outcome="server_error")
    assert after == before + 1
    assert sample("outgoing_requests_total", host_name="t-count", outcome="ok") >= 1


async def test_errors_hold_no_address_and_no_query(clock):
    outside = Outside(clock, httpx2.ConnectError("cannot reach vendor.example for zach"))
    async with _client(outside, clock) as http:
        with pytest.raises(OutsideUnavailable) as caught:
            await http.request("GET", URL, name="t")

    assert "zach" not in str(caught.value)
    assert "vendor.example" not in str(caught.value)
    assert caught.value.maybe_done is False


async def test_redirects_are_not_followed(clock):
    outside = Outside(clock, _say(302, location="http://169.254.169.254/"))
    async with _client(outside, clock) as http:
        answer = await http.request("GET", URL, name="t")

    assert answer.status_code == 302
    assert len(outside.asked_at) == 1


async def test_a_queue_that_was_too_long_does_not_stay_too_long(clock):
    outside = Outside(clock, _say(200))
    async with _client(outside, clock, rate_per_s=2, burst=1) as http:
        await http.request("GET", URL, name="t")
        for _ in range(1_000):
            with suppress(OutsideUnavailable):
                await http.request("GET", URL, name="t", timeout_s=0.2)
        answer = await http.request("GET", URL, name="t", timeout_s=5)

    assert answer.status_code == 200


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_longer_than_the_limit_is_not_taken_in(clock, packed):
    asked = 0

    def outside(_request: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        body = gzip.compress(bytes(200_000)) if packed else bytes(200_000)
        return httpx2.Response(
            200, headers={"content-encoding": "gzip"} if packed else {}, content=body
        )

    async with _client(outside, clock, max_answer_bytes=100_000) as http:
        with pytest.raises(OutsideUnavailable) as caught:
            await http.request("GET", URL, name="t")

    assert caught.value.cause == "too_large"
    assert asked == 1


async def test_a_packed_answer_comes_back_unpacked(clock):
    def outside(_request: httpx2.Request) -> httpx2.Response:
        packed = gzip.compress(b'{"a": 1}')
        return httpx2.Response(200, headers={"content-encoding": "gzip"}, content=packed)

    async with _client(outside, clock) as http:
        answer = await http.request("GET", URL, name="t")

    assert answer.json() == {"a": 1}


async def test_headers_that_count_once_are_made_for_each_attempt(clock):
    nonces = itertools.count()
    seen: list[str] = []

    def outside(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["x-nonce"])
        return httpx2.Response(503 if len(seen) < 3 else 200)

    async with _client(outside, clock) as http:
        await http.request("GET", URL, name="t", renew=lambda: {"x-nonce": str(next(nonces))})

    assert seen == ["0", "1", "2"]
