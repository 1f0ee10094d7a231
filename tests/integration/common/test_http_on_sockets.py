"""The HTTP client against real sockets that behave badly."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from roster_common.runtime.http import HttpClient, OutsideUnavailable
from roster_common.runtime.pacing import CallPolicy

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
QUICK = CallPolicy(
    connect_timeout_s=20,
    read_timeout_s=20,
    max_attempts=2,
    backoff_first_s=0.01,
    backoff_max_s=0.02,
)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@asynccontextmanager
async def _server(serve: Serve) -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.close()
        await server.wait_closed()


async def _failure(
    url: str, method: str = "GET", *, policy: CallPolicy = QUICK, **given: float
) -> OutsideUnavailable:
    async with HttpClient(default=policy) as http:
        with pytest.raises(OutsideUnavailable) as caught:
            await http.request(method, url, name="t", **given)
    return caught.value


async def test_a_port_where_nobody_listens_is_unreachable_and_nothing_was_done():
    # Bound and not listening: nobody else can be given the port meanwhile.
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        failure = await _failure(url, "POST")

    assert (failure.cause, failure.maybe_done, failure.attempts) == ("unreachable", False, 2)


async def test_a_server_that_says_nothing_is_a_timeout_and_may_have_acted():
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with _server(silent) as url:
        failure = await _failure(url, "POST", policy=replace(QUICK, read_timeout_s=0.2))

    assert (failure.cause, failure.maybe_done, failure.attempts) == ("timeout", True, 1)


async def test_a_server_that_drips_for_ever_is_cut_off_by_the_total_time():
    async def drips(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with _server(drips) as url, asyncio.timeout(20):
        failure = await _failure(url, timeout_s=0.5)

    assert failure.cause == "timeout"


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx", b"\x00\xff\r\n\r\n"]
)
async def test_a_broken_answer_is_unreachable_and_may_have_been_acted_on(said):
    async def breaks(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    async with _server(breaks) as url:
        failure = await _failure(url, "POST")

    assert (failure.cause, failure.maybe_done) == ("unreachable", True)


async def test_a_server_that_recovers_gives_its_answer():
    turns = iter([False, True])

    async def recovers(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if next(turns):
            writer.write(OK)
            await writer.drain()

    async with _server(recovers) as url, HttpClient(default=QUICK) as http:
        answer = await http.request("GET", url, name="t")

    assert answer.text == "ok"
