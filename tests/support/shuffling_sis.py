"""A OneRoster provider of one's own: pages as a test words them, on the loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.ingesting import user

Items = Sequence[Mapping[str, Any]]
# What a section holds when a page is asked for by this offset; sections not named are empty.
Pages = Callable[[str, int], Items]


def people(*names: str) -> Items:
    """Students as 1.2 words them."""
    return [{**user(name), "status": "active", "enabledUser": "true"} for name in names]


@asynccontextmanager
async def shuffling_sis(pages: Pages, *, filters: bool = True) -> AsyncIterator[str]:
    """Its address, until the block ends. It counts nothing and shows no revision. It heeds no
    filter, and without `filters` refuses to be asked for one.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        url = urlsplit(head.split(" ")[1])
        section = url.path.rpartition("/")[2]
        query = parse_qs(url.query)
        offset, limit = int(query["offset"][0]), int(query["limit"][0])
        body = json.dumps({section: list(pages(section, offset)[offset : offset + limit])})
        status = "200 OK" if filters or "filter" not in query else "400 Bad Request"
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
