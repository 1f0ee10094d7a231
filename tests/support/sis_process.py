"""sis-ingest as a real process, seen from outside: its doors, its tables and what it tells."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import httpx2

from roster_common.runtime.clock import SystemClock, Uuid7Ids
from roster_common.runtime.tokens import Districts, Role, mint, new_keypair
from sis_ingest.domain.records import Record
from tests.support.eventually import eventually
from tests.support.ingesting import OTHER_SECRET, SECRET, envelope, signed
from tests.support.processes import Program, start_program, start_service

PRIVATE_KEY, PUBLIC_KEY = new_keypair()
WEBHOOK_LIMIT = 64 * 1024
SNAPSHOT_LIMIT = 1024 * 1024
_PLACES = 120
_ENDED = ("completed", "refused", "failed")

TABLES = ("delivery", "source_record", "crosswalk", "resolved_record", "snapshot_row")


def environment(database_url: str, folder: Path) -> dict[str, str]:
    """What the service is told: sources s0.. and t0.. of districts d0.., for a test each."""
    sources = [
        {"id": f"{kind}{n}", "district": f"d{n}", "secrets": [SECRET, OTHER_SECRET]}
        for n in range(_PLACES)
        for kind in "st"
    ]
    return {
        "HOMEROOM_DATABASE_URL": database_url,
        "HOMEROOM_ENVIRONMENT": "test",
        "HOMEROOM_OPERATOR_PUBLIC_KEY": PUBLIC_KEY,
        "HOMEROOM_SOURCES": json.dumps([*sources, {"id": "files-only", "district": "d0"}]),
        "HOMEROOM_DATA_DIR": str(folder / "data"),
        "HOMEROOM_WEBHOOK_LIMIT_BYTES": str(WEBHOOK_LIMIT),
        "HOMEROOM_SNAPSHOT_LIMIT_BYTES": str(SNAPSHOT_LIMIT),
    }


@dataclass(slots=True, kw_only=True)
class Installation:
    """One database and the process on it; hands out sources nobody else uses."""

    database_url: str
    folder: Path
    programs: list[Program] = field(default_factory=list)
    places: Iterator[int] = field(default_factory=count)

    @property
    def url(self) -> str:
        """Where the last one started is."""
        return self.programs[-1].url

    def start(self) -> Program:
        """A process, ready."""
        env = environment(self.database_url, self.folder)
        program = start_service("sis_ingest", folder=self.folder, env=env)
        self.programs.append(program)
        return program

    def start_doomed(self, failpoint: str, marker: Path, *, at_once: bool = False) -> Program:
        """A process that kills itself at a fail point, ready; the file proves that it did.

        `at_once`: it may reach the point before it is ready, so nobody waits for that.
        """
        env = {
            **environment(self.database_url, self.folder),
            "HOMEROOM_FAILPOINT": failpoint,
            "HOMEROOM_FAILPOINT_FILE": str(marker),
        }
        start = start_program if at_once else start_service
        program = start("sis_ingest", folder=self.folder, env=env)
        self.programs.append(program)
        return program

    def start_anyhow(self) -> Program:
        """A process that may end by itself at once."""
        env = environment(self.database_url, self.folder)
        program = start_program("sis_ingest", folder=self.folder, env=env)
        self.programs.append(program)
        return program

    def kill(self) -> None:
        """Ends everything that was started here."""
        for program in self.programs:
            program.kill()


@dataclass(slots=True, kw_only=True)
class Sis:
    """One source of one district: what it sends, and what became of it."""

    installation: Installation
    http: httpx2.AsyncClient
    database: asyncpg.Pool
    source: str
    district: str
    ids: Uuid7Ids = field(default_factory=Uuid7Ids)

    def beside(self) -> "Sis":
        """The other source of the same district."""
        return replace(self, source=f"t{self.source[1:]}")

    def now(self) -> datetime:
        """Wall clock: signatures are checked against it."""
        return SystemClock().now()

    def token(self, role: Role = "operator", *, districts: Districts | None = None) -> str:
        """An operator's token, for this district unless told."""
        return mint(
            PRIVATE_KEY,
            subject="test",
            role=role,
            districts=[self.district] if districts is None else districts,
            now=self.now(),
        )

    def bearer(self, role: Role = "operator", **more: Any) -> dict[str, str]:
        """The header with a token."""
        return {"Authorization": f"Bearer {self.token(role, **more)}"}

    async def post(self, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        """Whatever body and headers, to the webhook door."""
        url = f"{self.installation.url}/webhooks/{self.source}"
        return await self.http.post(url, content=body, headers=dict(headers))

    async def send(self, body: bytes, *, webhook_id: str | None = None, **how: Any) -> Any:
        """A well-signed webhook; the answer."""
        at = how.pop("signed_at", self.now())
        return await self.post(
            body, signed(body, webhook_id=webhook_id or self.ids.new_id(), at=at, **how)
        )

    async def tell(
        self, kind: str, data: Record, *, at: datetime | None = None, **more: Any
    ) -> dict[str, str]:
        """A webhook that must be taken, and is applied on return; its ids."""
        answer = await self.send(envelope(kind, data, at=at or self.now(), **more))
        assert answer.status_code == 202, answer.text
        await self.applied()
        ids: dict[str, str] = answer.json()
        return ids

    async def applied(self) -> None:
        """Returns when no webhook of the source waits."""

        async def none_waits() -> bool:
            return not await self.rows(
                "SELECT 1 FROM sis_ingest.delivery WHERE source_id = $1 AND kind = 'webhook'"
                " AND state = 'waiting'",
                self.source,
            )

        await eventually(none_waits, what="an empty inbox")

    async def upload(
        self, body: bytes, *, headers: Mapping[str, str] | None = None, query: str = ""
    ) -> httpx2.Response:
        """A file to the snapshot door; the answer."""
        url = f"{self.installation.url}/snapshots/{self.source}{query}"
        return await self.http.post(url, content=body, headers=dict(headers or self.bearer()))

    async def report(self, run_id: str) -> dict[str, Any]:
        """The page of a run."""
        answer = await self.http.get(
            f"{self.installation.url}/snapshots/{run_id}", headers=self.bearer("viewer")
        )
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    async def load(self, body: bytes, *, query: str = "") -> dict[str, Any]:
        """A file that is taken and worked through; the final report."""
        answer = await self.upload(body, query=query)
        assert answer.status_code == 202, answer.text
        return await self.ended(answer.json()["runId"])

    async def ended(self, run_id: str) -> dict[str, Any]:
        """The report of a run, once it has ended."""

        async def end() -> dict[str, Any] | None:
            page = await self.report(run_id)
            return page if page["state"] in _ENDED else None

        return await eventually(end, within_s=120, what="the end of the run")

    async def get(self, path: str) -> dict[str, Any]:
        """A page for viewers."""
        answer = await self.http.get(
            f"{self.installation.url}{path}", headers=self.bearer("viewer")
        )
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    async def approve(self, hold: Mapping[str, Any]) -> None:
        """Approves what the hold's page shows; the process may die before it answers."""
        url = f"{self.installation.url}/holds/{hold['holdId']}/approve"
        body = {"itemsHash": hold["itemsHash"]}
        try:
            answer = await self.http.post(url, json=body, headers=self.bearer("approver"))
        except httpx2.TransportError:
            return
        assert answer.status_code == 200, answer.text

    async def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of a statement."""
        return [dict(row) for row in await self.database.fetch(sql, *values)]

    async def counts(self) -> dict[str, int]:
        """Rows of this district by table."""
        return {
            table: (
                await self.rows(
                    f"SELECT count(*) FROM sis_ingest.{table} WHERE district_id = $1",
                    self.district,
                )
            )[0]["count"]
            for table in TABLES
        }

    async def resolved(self, entity: str = "user") -> dict[str, dict[str, Any]]:
        """Resolved records that are not deleted, by our id."""
        rows = await self.rows(
            "SELECT entity_id, data FROM sis_ingest.resolved_record"
            " WHERE district_id = $1 AND entity = $2 AND NOT deleted",
            self.district,
            entity,
        )
        return {row["entity_id"]: json.loads(row["data"]) for row in rows}

    async def events(self, topic: str = "sis.changes") -> list[dict[str, Any]]:
        """What was told of this district, in order: type without ends, origin, correlation, data."""
        rows = await self.rows(
            "SELECT headers::text AS headers, value FROM log.event"
            ' WHERE topic = $1 AND key LIKE $2 ORDER BY partition, "offset"',
            topic,
            f"{self.district}/%",
        )
        return [_event(json.loads(row["headers"]), json.loads(row["value"])) for row in rows]

    async def told(self) -> list[str]:
        """Types of the changes told, shortened, in order: `user.upserted`."""
        return [event["type"] for event in await self.events()]


def _event(headers: Mapping[str, str], data: dict[str, Any]) -> dict[str, Any]:
    found = {name.rpartition("_")[2]: value for name, value in headers.items()}
    return {
        "type": found["type"].removeprefix("k12.roster.").removeprefix("k12.sis.")[: -len(".v1")],
        "origin": found["origin"],
        "correlation": found["correlationid"],
        "data": data,
    }


def named(page: Mapping[str, Any]) -> Sequence[tuple[str | None, ...]]:
    """Problems of a run's report as (code, file, column)."""
    return [(p["code"], p.get("file"), p.get("column")) for p in page["problems"]]


async def open_pool(database_url: str) -> asyncpg.Pool:
    """A small pool for looking."""
    return await asyncpg.create_pool(database_url, min_size=1, max_size=2)


async def exits(program: Program) -> int:
    """The code of a process that ends by itself."""
    return await asyncio.to_thread(program.wait_for_exit)
