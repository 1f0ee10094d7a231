"""ticket-events as a process, on a real log."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import orjson
import pytest
from standardwebhooks import Webhook

from roster_common.contracts.envelope import Event, EventData, Origin, new_event
from roster_common.contracts.roster_lifecycle_v1 import PersonJoined, PersonLeft, PersonMoved
from roster_common.contracts.roster_person_v1 import PersonRole, PersonState
from roster_common.runtime.clock import SystemClock, Uuid7Ids
from roster_common.runtime.database import Database
from roster_common.runtime.log.prepare import prepare_log
from roster_common.runtime.migrations import migrate
from roster_common.runtime.tokens import Role, mint, new_keypair
from tests.support.databases import Databases
from tests.support.processes import Program, start_program, start_service

DISTRICT = "north"
NOW = datetime(2026, 9, 1, tzinfo=UTC)
IDS = Uuid7Ids()
PRIVATE_KEY, PUBLIC_KEY = new_keypair()
SECRET = "whsec_" + "dGVzdC1zZWNyZXQtb2YtYS1oZWxwLWRlc2s="
OTHER_SECRET = "whsec_" + "YW5vdGhlci1zZWNyZXQtb2YtYS1oZWxwLWRlc2s="
HEADER = "assetTag,serial,model,status,holder,site"
WEBHOOK_LIMIT = 4_000
INVENTORY_LIMIT = 60_000


@pytest.fixture(scope="session")
def tickets_template(databases: Databases) -> str:
    """A database with the log's and this service's schemas."""

    async def prepare(url: str) -> None:
        await prepare_log(url)
        await migrate(url, schema="ticket_events", script_package="ticket_events.migrations")

    return databases.template("tickets", prepare=lambda url: asyncio.run(prepare(url)))


@pytest.fixture
def tickets_database_url(databases: Databases, tickets_template: str) -> Iterator[str]:
    """A fresh database for one test."""
    url = databases.fresh(template=tickets_template)
    yield url
    databases.drop(url)


class Say:
    """Builds events of the roster."""

    def state(self, person_id: str, *, school_id: str, **more: Any) -> Event:
        """A student's state."""
        role = PersonRole(role="student", role_type="primary", org_id=school_id)
        data = PersonState(
            person_id=person_id,
            status="active",
            enabled=True,
            given_name="Ada",
            family_name="Lovelace",
            revision=1,
            roles=(role,),
            primary_org_id=school_id,
        )
        return self._event(data, **more)

    def joined(
        self,
        person_id: str,
        *,
        role: str = "student",
        to_org_ids: Sequence[str] = ("hill",),
        **more: Any,
    ) -> Event:
        """A person's first active role."""
        data = PersonJoined(
            person_id=person_id, role=role, to_org_ids=tuple(to_org_ids), effective_at=NOW
        )
        return self._event(data, **more)

    def left(self, person_id: str, *, merged_into: str | None = None, **more: Any) -> Event:
        """A person's last active role is gone, or the id is another's now."""
        data = PersonLeft(
            person_id=person_id,
            role="student",
            from_org_ids=("hill",),
            effective_at=NOW,
            merged_into=merged_into,
        )
        return self._event(data, **more)

    def moved(self, person_id: str, **more: Any) -> Event:
        """A person's roles are at another school."""
        data = PersonMoved(
            person_id=person_id,
            role="student",
            from_org_ids=("hill",),
            to_org_ids=("dale",),
            effective_at=NOW,
        )
        return self._event(data, **more)

    def _event(
        self,
        data: EventData,
        *,
        origin: Origin = "webhook",
        event_id: str | None = None,
        district: str = DISTRICT,
    ) -> Event:
        return new_event(
            data,
            event_id=event_id or IDS.new_id(),
            time=NOW,
            service="roster-publisher",
            district_id=district,
            correlation_id="why-1",
            origin=origin,
        )


@dataclass(slots=True, kw_only=True)
class World:
    """One district's log and the service that reads it."""

    database_url: str
    database: Database
    folder: Path
    http: httpx2.AsyncClient
    programs: list[Program] = field(default_factory=list)

    async def tell(self, *events: Event) -> None:
        """Put events on the log in one commit."""
        async with self.database.begin() as tx:
            for event in events:
                tx.emit(event)

    def environment(self, **more: str) -> dict[str, str]:
        """What the service is told."""
        return {
            "HOMEROOM_ENVIRONMENT": "test",
            "HOMEROOM_DATABASE_URL": self.database_url,
            "HOMEROOM_OPERATOR_PUBLIC_KEY": PUBLIC_KEY,
            "HOMEROOM_DESKS": json.dumps(
                [{"id": "helpdesk", "district": DISTRICT, "secrets": [SECRET, OTHER_SECRET]}]
            ),
            "HOMEROOM_WEBHOOK_LIMIT_BYTES": str(WEBHOOK_LIMIT),
            "HOMEROOM_INVENTORY_LIMIT_BYTES": str(INVENTORY_LIMIT),
            **more,
        }

    def start(self) -> Program:
        """Start the service; returns when it is ready."""
        program = start_service("ticket_events", folder=self.folder, env=self.environment())
        self.programs.append(program)
        return program

    def start_doomed(self, failpoint: str, marker: Path) -> Program:
        """Start the service so that it kills itself at a fail point; does not wait."""
        env = self.environment(HOMEROOM_FAILPOINT=failpoint, HOMEROOM_FAILPOINT_FILE=str(marker))
        program = start_program("ticket_events", folder=self.folder, env=env)
        self.programs.append(program)
        return program

    def start_ready_doomed(self, failpoint: str, marker: Path) -> Program:
        """Start the service so that it kills itself at a fail point; returns when it is ready."""
        env = self.environment(HOMEROOM_FAILPOINT=failpoint, HOMEROOM_FAILPOINT_FILE=str(marker))
        program = start_service("ticket_events", folder=self.folder, env=env)
        self.programs.append(program)
        return program

    async def cut_off(self, call: Callable[[], Awaitable[object]]) -> bool:
        """Whether the service went away during the call instead of answering."""
        try:
            await call()
        except httpx2.TransportError:
            return True
        return False

    async def page(
        self, program: Program, path: str, *, districts: Sequence[str] = (DISTRICT,)
    ) -> httpx2.Response:
        """An operator's page."""
        return await self.http.get(program.url + path, headers=bearer("viewer", districts))

    async def upload(
        self, program: Program, *rows: str, header: str = HEADER, query: str = ""
    ) -> dict[str, Any]:
        """An inventory file that is taken; its report."""
        answer = await self.post_file(program, "\n".join([header, *rows]).encode(), query=query)
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        return report

    async def post_file(
        self,
        program: Program,
        body: bytes,
        *,
        query: str = "",
        role: Role = "operator",
        district: str = DISTRICT,
        districts: Sequence[str] = (DISTRICT,),
    ) -> httpx2.Response:
        """Whatever body, to the door for inventories. `districts` "*" is every one."""
        return await self.http.post(
            f"{program.url}/assets?district={district}{query}",
            content=body,
            headers={**bearer(role, districts), "content-type": "text/csv"},
        )

    async def assets(self, program: Program, query: str = "") -> dict[str, dict[str, Any]]:
        """Devices by their tag."""
        answer = await self.page(program, f"/assets?limit=1000{query}")
        return {asset["assetTag"]: asset for asset in answer.json()["assets"]}

    async def send(
        self, program: Program, body: bytes, *, desk: str = "helpdesk", **how: Any
    ) -> httpx2.Response:
        """A well-signed webhook of a desk."""
        headers = signed(body, **how)
        return await self.http.post(f"{program.url}/webhooks/{desk}", content=body, headers=headers)

    async def tickets(self, program: Program, query: str = "") -> dict[str, dict[str, Any]]:
        """Tickets by their id."""
        answer = await self.page(program, f"/tickets?limit=1000{query}")
        return {ticket["ticketId"]: ticket for ticket in answer.json()["tickets"]}

    async def told(self, topic: str) -> list[tuple[str, dict[str, Any]]]:
        """(short type, body) of everything on a topic, in order."""
        rows = await self.rows(
            "SELECT headers::text AS headers, value FROM log.event WHERE topic = $1"
            ' ORDER BY partition, "offset"',
            topic,
        )
        return [
            (
                json.loads(row["headers"])["ce_type"].removeprefix("k12.").removesuffix(".v1"),
                json.loads(row["value"]),
            )
            for row in rows
        ]

    async def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of a statement."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return [dict(row) for row in await connection.fetch(sql, *values)]
        finally:
            await connection.close()

    async def requests(self, program: Program, person_id: str) -> list[dict[str, Any]]:
        """The device requests of a person, as an operator sees them."""
        answer = await self.page(program, f"/device-requests?personId={person_id}")
        found: list[dict[str, Any]] = answer.json()["deviceRequests"]
        return found

    async def events(self) -> list[dict[str, Any]]:
        """Bodies of the wishes for devices, in order."""
        return [body for kind, body in await self.told("assets") if kind == "asset.requested"]


def bearer(role: Role, districts: Sequence[str] = (DISTRICT,)) -> dict[str, str]:
    """The header with an operator's token."""
    token = mint(
        PRIVATE_KEY,
        subject="test",
        role=role,
        districts="*" if districts == "*" else list(districts),
        now=SystemClock().now(),
    )
    return {"Authorization": f"Bearer {token}"}


def signed(
    body: bytes,
    *,
    webhook_id: str | None = None,
    at: datetime | None = None,
    secret: str = SECRET,
) -> dict[str, str]:
    """Headers as the Standard Webhooks library makes them: a witness that is not ours."""
    moment = at or SystemClock().now()
    number = webhook_id or IDS.new_id()
    return {
        "webhook-id": number,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(number, moment, body.decode()),
    }


def fact(
    kind: str,
    ticket_id: str = "t1",
    *,
    minute: int = 0,
    comment: dict[str, bool] | None = None,
    sequence: int | None = None,
    **ticket: Any,
) -> bytes:
    """A desk's body, so many minutes after eight on a Tuesday in September."""
    body: dict[str, Any] = {
        "type": f"ticket.{kind}",
        "occurredAt": f"2026-09-01T{8 + minute // 60:02}:{minute % 60:02}:00Z",
        "ticket": {"id": ticket_id, **ticket},
    }
    if comment is not None:
        body["comment"] = comment
    if sequence is not None:
        body["sequence"] = sequence
    return orjson.dumps(body)


@pytest.fixture
async def world(tickets_database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A fresh world; what it started is stopped at the end."""
    database = Database(tickets_database_url, name="test")
    async with httpx2.AsyncClient(timeout=20) as http:
        made = World(
            database_url=tickets_database_url, database=database, folder=tmp_path, http=http
        )
        yield made
        for program in made.programs:
            program.kill()
    await database.close()


@pytest.fixture
def desk() -> Callable[..., bytes]:
    """Builds a desk's bodies."""
    return fact


@pytest.fixture
def say() -> Say:
    """Builds events."""
    return Say()
