"""sis-ingest and an emulated PowerSchool: settings, a way for notifications, both sides' truth."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sis_ingest.sources.powerschool.verify import echoed_key, path_token
from tests.support.emulators import Emulator
from tests.support.ingest_service import token
from tests.support.pulling import NEVER_DUE, Puller

SECRET = "a-secret-that-nobody-guesses"


def powerschool_source(sis: Emulator, **more: Any) -> dict[str, Any]:
    """A PowerSchool source; `more` are settings of its pull."""
    return {
        "id": "ps",
        "district": "d1",
        "kind": "powerschool",
        "secrets": [SECRET],
        "pull": {
            "baseUrl": sis.url,
            "clientId": sis.told["clientId"],
            "clientSecret": sis.told["clientSecret"],
            "pageSize": 40,
            **NEVER_DUE,
            **more,
        },
    }


class Door:
    """An address for a sender outside of this test. What it gets goes to the service that it opens
    to, which is inside.
    """

    def __init__(self) -> None:
        self.address = ""
        self._puller: Puller | None = None

    def opens_to(self, puller: Puller) -> None:
        """From now on."""
        self._puller = puller

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its answer."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        size = int({k.lower(): v for k, v in fields.items()}.get("content-length", "0"))
        body = await reader.readexactly(size)
        path = lines[0].split(" ")[1]
        status = 503
        if self._puller is not None:
            status = (await self._puller.ingest.http.post(path, content=body)).status_code
        writer.write(
            f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()


@asynccontextmanager
async def door() -> AsyncIterator[Door]:
    """A closed one; it is gone when the block ends."""
    made = Door()
    server = await asyncio.start_server(made.forward, "127.0.0.1", 0)
    async with server:
        made.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made


async def agrees(puller: Puller, sis: Emulator) -> bool:
    """Whether the source's records are what the office has."""
    return (await people(puller)) == office(sis) and (await seats(puller)) == office_seats(sis)


async def people(puller: Puller) -> dict[str, str]:
    """Live people of the source by its ids."""
    rows = await puller.ingest.pool.fetch(
        "SELECT external_id, data->>'givenName' || ' ' || (data->>'familyName') AS name"
        " FROM sis_ingest.source_record WHERE entity = 'user' AND NOT deleted"
    )
    return {row["external_id"]: row["name"] for row in rows}


def office(sis: Emulator) -> dict[str, str]:
    """People whom the office has, by the ids that we make of its numbers."""
    found = {}
    for table, word in (("students", "student"), ("staff", "staff")):
        for one in sis.truth(table, limit=100_000)["records"]:
            here = one["status"] == 0 if table == "students" else one.get("active", True)
            if not one["gone"] and here:
                found[f"{word}-{one['dcid']}"] = f"{one['given']} {one['family']}"
    return found


async def seats(puller: Puller) -> set[str]:
    """Live enrolments of students, lead teachers left out."""
    found = await puller.live("enrollment")
    return {one for one in found if one.startswith("enrollment-")}


def office_seats(sis: Emulator) -> set[str]:
    """The same as the office has them."""
    return {
        f"enrollment-{one['dcid']}"
        for one in sis.truth("enrolments", limit=100_000)["records"]
        if not one["gone"] and not one["dropped"]
    }


async def repaired(puller: Puller) -> None:
    """Sets the subscription up, and sees that no answer shows what opens the door."""
    before = await puller.ingest.http.get("/sources/ps/examine", headers=token())
    assert before.json()["ok"] is False
    after = await puller.ingest.http.post("/sources/ps/repair", headers=token())
    assert after.json()["ok"] is True, after.text
    for one in (before, after):
        assert path_token(SECRET) not in one.text
        assert echoed_key(SECRET) not in one.text
