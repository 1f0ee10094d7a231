"""A source of one's own on the loopback: answers by path, as a test words them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

# A body, or a status without one.
Said = Mapping[str, Any] | int


@asynccontextmanager
async def answering_sis(answers: Mapping[str, Said]) -> AsyncIterator[str]:
    """Its address, until the block ends; 404 for a path that is not told of."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = head.partition("content-length:")[2].partition("\r\n")[0].strip()
        await reader.readexactly(int(length or "0"))
        said = answers.get(urlsplit(head.split(" ")[1]).path, 404)
        status, body = (said, "{}") if isinstance(said, int) else (200, json.dumps(said))
        writer.write(
            f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
