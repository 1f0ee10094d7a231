"""sis-ingest in this process on a real database, spoken to through its doors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import orjson

from roster_common.runtime.tokens import mint, new_keypair
from sis_ingest.bootstrap import build
from sis_ingest.settings import Settings
from tests.support.eventually import eventually
from tests.support.ingesting import OTHER_SECRET, SECRET, envelope, signed

PRIVATE_KEY, PUBLIC_KEY = new_keypair()
SOURCES = [
    {"id": "sis", "district": "d1", "secrets": [SECRET, OTHER_SECRET]},
    {"id": "files", "district": "d1"},
    {"id": "files-1.1", "district": "d1", "profile": "1.1"},
    {"id": "sis-2", "district": "d1", "secrets": [SECRET], "predecessors": ["sis"]},
    {"id": "elsewhere", "district": "d2", "secrets": [SECRET]},
    {"id": "hr", "district": "d1", "files": "staff_csv"},
    {"id": "forms", "district": "d1", "kind": "intake", "files": "intake", "secrets": [SECRET]},
]


def environment(url: str, folder: Path) -> dict[str, str]:
    """What the service is told when it runs as a process."""
    return {
        "HOMEROOM_DATABASE_URL": url,
        "HOMEROOM_ENVIRONMENT": "test",
        "HOMEROOM_SOURCES": orjson.dumps(SOURCES).decode(),
        "HOMEROOM_DATA_DIR": str(folder / "data"),
        "HOMEROOM_OPERATOR_PUBLIC_KEY": PUBLIC_KEY,
    }


def token(role: str = "operator", districts: Any = "*", *, subject: str = "test") -> dict[str, str]:
    """Headers of an operator."""
    text = mint(PRIVATE_KEY, subject=subject, role=role, districts=districts, now=datetime.now(UTC))  # type: ignore[arg-type]
    return {"authorization": f"Bearer {text}"}


@dataclass
class Ingest:
    """A client of the service, and a look into its database."""

    http: httpx2.AsyncClient
    pool: asyncpg.Pool
    sent: int = 0

    async def send(
        self, kind: str, data: dict[str, Any], *, source: str = "sis", at: int = 0, **more: Any
    ) -> httpx2.Response:
        """Posts a signed webhook that happened `at` seconds from an hour ago."""
        self.sent += 1
        happened = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1, seconds=-at)
        body = envelope(kind, data, at=happened, **more)
        return await self.post(body, source=source, webhook_id=f"m{self.sent}")

    async def post(
        self, body: bytes, *, source: str = "sis", webhook_id: str = "m", secret: str = SECRET
    ) -> httpx2.Response:
        """Posts a body, signed now."""
        headers = signed(body, webhook_id=webhook_id, at=datetime.now(UTC), secret=secret)
        return await self.http.post(f"/webhooks/{source}", content=body, headers=headers)

    async def settled(self, *, within_s: float = 20) -> None:
        """Returns when nothing waits in the inbox."""

        async def empty() -> bool:
            return not await self.value(
                "SELECT count(*) FROM sis_ingest.delivery WHERE state = 'waiting'"
                " AND kind = 'webhook'"
            )

        await eventually(empty, within_s=within_s, what="the inbox is applied")

    async def load(self, body: bytes, *, source: str = "sis") -> dict[str, Any]:
        """Posts a package and gives the report of its ended run."""
        answer = await self.http.post(f"/snapshots/{source}", content=body, headers=token())
        assert answer.status_code == 202, answer.text
        return await self.ended(answer.json()["runId"])

    async def ended(self, run_id: str, *, within_s: float = 60) -> dict[str, Any]:
        """The report of a run, once it has ended."""

        async def page() -> dict[str, Any] | None:
            answer = await self.http.get(f"/snapshots/{run_id}", headers=token("viewer"))
            found: dict[str, Any] = answer.json()
            return found if found["state"] not in ("waiting", "running") else None

        return await eventually(page, within_s=within_s, what="the run ends")

    async def value(self, query: str, *arguments: Any) -> Any:
        """One value out of the database."""
        return await self.pool.fetchval(query, *arguments)

    async def events(self, kind: str = "k12.roster.%") -> list[dict[str, Any]]:
        """Events on the log of the types like `kind`, in order, as plain values."""
        rows = await self.pool.fetch(
            "SELECT headers, value FROM log.event WHERE headers->>'ce_type' LIKE $1"
            ' ORDER BY topic, partition, "offset"',
            kind,
        )
        found = []
        for row in rows:
            headers = orjson.loads(row["headers"])
            found.append(
                {
                    "type": headers["ce_type"].removeprefix("k12."),
                    "origin": headers["ce_origin"],
                    "correlation": headers["ce_correlationid"],
                    "district": headers["ce_tenantid"],
                    "data": orjson.loads(row["value"]),
                }
            )
        return found

    async def people(self) -> dict[str, str]:
        """Given name by our id, of users that are not deleted."""
        rows = await self.pool.fetch(
            "SELECT entity_id, data->>'givenName' AS name FROM sis_ingest.resolved_record"
            " WHERE entity = 'user' AND NOT deleted"
        )
        return {row["entity_id"]: row["name"] for row in rows}


@asynccontextmanager
async def running_ingest(url: str, folder: Path, **more: Any) -> AsyncIterator[Ingest]:
    """The service with its loops, until the block ends; `more` are settings."""
    settings = Settings(
        database_url=url,  # type: ignore[arg-type]
        environment="test",
        sources=more.pop("sources", SOURCES),
        data_dir=folder / "data",
        operator_public_key=PUBLIC_KEY,
        log_level="error",
        drain_timeout_s=2,
        **more,
    )
    app = build(settings)
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://ingest.test") as http,
        asyncpg.create_pool(url, min_size=1, max_size=2) as pool,
    ):
        yield Ingest(http=http, pool=pool)
