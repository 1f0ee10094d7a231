"""A TCP proxy on loopback that can delay, cut, refuse or hold up what passes through it.

Faults change while connections are open. Kafka behind it needs `advertised_port=proxy.port`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum

CHUNK_BYTES = 65_536
CONNECT_TIMEOUT_S = 5.0


class Fault(Enum):
    """What the proxy does with bytes and new connections."""

    NONE = "none"
    REFUSE = "refuse"
    """New connections are reset at once; open ones go on."""
    BLACK_HOLE = "black_hole"
    """Everything is accepted and held, nothing is closed; what was held passes on afterwards."""


@dataclass(slots=True, kw_only=True)
class TcpProxy:
    """Forwards 127.0.0.1:`port` to `target_port`; change faults by `set_fault` and `delay_s`."""

    target_port: int
    port: int = 0
    fault: Fault = Fault.NONE
    delay_s: float = 0.0
    connections: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _passing: asyncio.Event = field(default_factory=asyncio.Event)

    def set_fault(self, fault: Fault) -> None:
        """Changes the fault for open connections and new ones."""
        self.fault = fault
        if fault is Fault.BLACK_HOLE:
            self._passing.clear()
        else:
            self._passing.set()

    def cut(self) -> None:
        """Resets every open connection, as a cable pulled and a gateway that forgot would."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handles one client connection until either side closes it."""
        self.connections += 1
        if self.fault is Fault.REFUSE:
            writer.transport.abort()
            return
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                upstream = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, upstream[1]}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, upstream[1]))
                both.create_task(self._pump(upstream[0], writer))
        finally:
            for end in (writer, upstream[1]):
                self._writers.discard(end)
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK_BYTES):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
            await self._passing.wait()
            if writer.can_write_eof() and not writer.transport.is_closing():
                writer.write_eof()


@contextlib.asynccontextmanager
async def tcp_proxy(target_port: int) -> AsyncIterator[TcpProxy]:
    """A running proxy on a free port; cuts what is open at the end."""
    proxy = TcpProxy(target_port=target_port)
    proxy.set_fault(Fault.NONE)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.set_fault(Fault.REFUSE)
        proxy.cut()
        await asyncio.wait_for(server.wait_closed(), timeout=CONNECT_TIMEOUT_S)
