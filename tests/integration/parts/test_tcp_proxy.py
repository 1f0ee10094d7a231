"""The fault proxy itself: passes, delays, cuts, refuses, and holds up."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.support.tcp_proxy import Fault, TcpProxy, tcp_proxy

TIMEOUT_S = 5.0


@pytest.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    """A proxy before a server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, tcp_proxy(server.sockets[0].getsockname()[1]) as running:
        yield running


async def received(reader: asyncio.StreamReader, *, within_s: float = TIMEOUT_S) -> bytes:
    """The next bytes; none if the connection was reset or closed."""
    try:
        return await asyncio.wait_for(reader.read(1000), within_s)
    except ConnectionError:
        return b""


async def echoed(proxy: TcpProxy, text: bytes, *, within_s: float = TIMEOUT_S) -> bytes:
    """What comes back through the proxy on a new connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(text)
        return await received(reader, within_s=within_s)
    finally:
        writer.close()


async def test_without_a_fault_bytes_pass(proxy: TcpProxy) -> None:
    assert await echoed(proxy, b"hello") == b"hello"


async def test_a_delay_is_paid_in_both_directions(proxy: TcpProxy) -> None:
    proxy.delay_s = 0.1
    begun = time.monotonic()

    await echoed(proxy, b"hello")

    assert time.monotonic() - begun >= 0.2


async def test_a_black_hole_holds_bytes_until_it_is_lifted(proxy: TcpProxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    proxy.set_fault(Fault.BLACK_HOLE)
    writer.write(b"held")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1000), 0.2)
    proxy.set_fault(Fault.NONE)

    assert await asyncio.wait_for(reader.read(1000), TIMEOUT_S) == b"held"
    writer.close()


async def test_a_cut_resets_open_connections_and_lets_new_ones_in(proxy: TcpProxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"hello")
    await asyncio.wait_for(reader.read(1000), TIMEOUT_S)

    proxy.cut()

    assert await received(reader) == b""
    writer.close()
    assert await echoed(proxy, b"again") == b"again"


async def test_a_refusing_proxy_lets_nobody_in(proxy: TcpProxy) -> None:
    proxy.set_fault(Fault.REFUSE)

    assert await echoed(proxy, b"hello") == b""
