"""One keep-alive loopback connection on which a request is sent and its answer read whole.

`load.py` repeats one request as fast as it can; this one sends what it is given, when it is told,
at next to no cost for the sender: on two cores, what the client spends the services lack.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

HOST = "127.0.0.1"
ANSWER_TIMEOUT_S = 60.0
END = b"\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer read whole; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def request(
    method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {HOST}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode("ascii") + END + END + body


class Exchange:
    """One connection, made anew where the server ends it; one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, asked: bytes) -> Answer:
        """Send and read the whole answer. Raises `OSError`, `EOFError` or `TimeoutError`.

        Sends once more where the server had ended the idle connection.
        """
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            idle = self._line is not None
            try:
                return await self._ask(asked)
            except (asyncio.IncompleteReadError, ConnectionError):
                self.close()
                if not idle:
                    raise
                return await self._ask(asked)

    async def _ask(self, asked: bytes) -> Answer:
        if self._line is None:
            self._line = await asyncio.open_connection(HOST, self._port, limit=2**20)
        reader, writer = self._line
        writer.write(asked)
        first, *lines = (await reader.readuntil(END + END)).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        body = await _body(reader, headers)
        if headers.get("connection") == "close" or first.startswith("HTTP/1.0"):
            self.close()
        return Answer(status=int(first.split()[1]), headers=headers, body=body)

    def close(self) -> None:
        """Give the connection back. May run twice."""
        if self._line is not None:
            self._line[1].close()
            self._line = None


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    if "chunked" not in headers.get("transfer-encoding", ""):
        return await reader.read()
    parts = []
    while size := int(await reader.readuntil(END), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(len(END))
    await reader.readexactly(len(END))
    return b"".join(parts)
