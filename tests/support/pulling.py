"""sis-ingest reading an emulated SIS: settings of a pulled source, and what a pull brought."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.emulators import Emulator
from tests.support.eventually import eventually
from tests.support.ingest_service import Ingest, running_ingest, token

# Nothing is due by itself: a test says when.
NEVER_DUE = {"blackouts": [["2000-01-01", "2999-12-31"]]}


def oneroster_source(sis: Emulator, **more: Any) -> dict[str, Any]:
    """A OneRoster 1.2 source with OAuth 2; `more` are settings of its pull."""
    return {
        "id": "pulled",
        "district": "d1",
        "kind": "oneroster_rest",
        "pull": {
            "baseUrl": sis.url,
            "tokenUrl": sis.told["tokenUrl"],
            "clientId": sis.told["clientId"],
            "clientSecret": sis.told["clientSecret"],
            "pageSize": 50,
            **NEVER_DUE,
            **more,
        },
    }


def campus_source(sis: Emulator, *, version: str = "1.2", **more: Any) -> dict[str, Any]:
    """An Infinite Campus source; `more` are settings of its pull, `options` adds to its own."""
    options = {"appName": "homeroom", "version": version, **more.pop("options", {})}
    return {
        "id": "pulled",
        "district": "d1",
        "kind": "infinite_campus",
        "pull": {
            "baseUrl": sis.told["oneRoster12Url" if version == "1.2" else "oneRoster11Url"],
            "tokenUrl": sis.told["tokenUrl"].partition("?")[0],
            "clientId": sis.told["clientId"],
            "clientSecret": sis.told["clientSecret"],
            "concurrency": 5,
            "options": options,
            **NEVER_DUE,
            **more,
        },
    }


@asynccontextmanager
async def pulling(
    url: str, folder: Path, source: dict[str, Any], **more: Any
) -> AsyncIterator["Puller"]:
    """The service with this source, until the block ends."""
    async with running_ingest(url, folder, sources=[source], **more) as ingest:
        yield Puller(ingest, source["id"])


class Puller:
    """Asks for pulls of one source and waits for what they bring."""

    def __init__(self, ingest: Ingest, source: str) -> None:
        self.ingest = ingest
        self.source = source

    async def ask(self, mode: str = "full", **query: Any) -> str:
        """A pull, asked for; its id."""
        answer = await self.ingest.http.post(
            f"/pulls/{self.source}", params={"mode": mode, **query}, headers=token()
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["pullId"])

    async def page(self, pull_id: str) -> dict[str, Any]:
        """A pull as the door shows it."""
        answer = await self.ingest.http.get(f"/pulls/{pull_id}", headers=token("viewer"))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def ended(self, pull_id: str, *, within_s: float = 60) -> dict[str, Any]:
        """The pull once it has ended."""

        async def look() -> dict[str, Any] | None:
            found = await self.page(pull_id)
            return found if found["state"] in ("completed", "failed") else None

        return await eventually(look, within_s=within_s, what="the pull ends")

    async def pull(self, mode: str = "full", **query: Any) -> dict[str, Any]:
        """A whole pull: the report of its run, with the pull's own page under `pull`."""
        ended = await self.ended(await self.ask(mode, **query))
        assert ended["state"] == "completed", ended
        report = await self.ingest.ended(ended["runId"])
        return {**report, "pull": ended}

    async def live(self, entity: str) -> set[str]:
        """Outside ids of the source's records that are not gone."""
        rows = await self.ingest.pool.fetch(
            "SELECT external_id FROM sis_ingest.source_record"
            " WHERE source_id = $1 AND entity = $2 AND NOT deleted",
            self.source,
            entity,
        )
        return {row["external_id"] for row in rows}


def sourced_ids(sis: Emulator, interface: str, *tables: str) -> set[str]:
    """The ids under which an interface shows what the office has in these tables."""
    return {
        record["sourcedIds"][interface]
        for table in tables
        for record in sis.truth(table, limit=100_000)["records"]
        if not record["gone"] and interface in record["sourcedIds"]
    }
