"""ticket-events as a process, on a real log."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from roster_common.contracts.envelope import Event, EventData, Origin, new_event
from roster_common.contracts.roster_lifecycle_v1 import PersonJoined, PersonLeft
from roster_common.contracts.roster_person_v1 import PersonRole, PersonState
from roster_common.runtime.clock import SystemClock, Uuid7Ids
from roster_common.runtime.database import Database
from roster_common.runtime.log.prepare import prepare_log
from roster_common.runtime.migrations import migrate
from roster_common.runtime.tokens import mint, new_keypair
from tests.support.databases import Databases
from tests.support.processes import Program, start_program, start_service

DISTRICT = "north"
NOW = datetime(2026, 9, 1, tzinfo=UTC)
IDS = Uuid7Ids()
PRIVATE_KEY, PUBLIC_KEY = new_keypair()


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

    def left(self, person_id: str, **more: Any) -> Event:
        """A person's last active role is gone."""
        data = PersonLeft(
            person_id=person_id, role="student", from_org_ids=("hill",), effective_at=NOW
        )
        return self._event(data, **more)

    def _event(
        self, data: EventData, *, origin: Origin = "webhook", event_id: str | None = None
    ) -> Event:
        return new_event(
            data,
            event_id=event_id or IDS.new_id(),
            time=NOW,
            service="roster-publisher",
            district_id=DISTRICT,
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

    async def page(
        self, program: Program, path: str, *, districts: Sequence[str] = (DISTRICT,)
    ) -> httpx2.Response:
        """An operator's page."""
        token = mint(
            PRIVATE_KEY,
            subject="test",
            role="viewer",
            districts=list(districts),
            now=SystemClock().now(),
        )
        return await self.http.get(program.url + path, headers={"Authorization": f"Bearer {token}"})

    async def requests(self, program: Program, person_id: str) -> list[dict[str, Any]]:
        """The device requests of a person, as an operator sees them."""
        answer = await self.page(program, f"/device-requests?personId={person_id}")
        found: list[dict[str, Any]] = answer.json()["deviceRequests"]
        return found

    async def events(self) -> list[dict[str, Any]]:
        """Bodies of everything on topic `assets`, in order."""
        connection = await asyncpg.connect(self.database_url)
        try:
            rows = await connection.fetch(
                'SELECT value FROM log.event WHERE topic = $1 ORDER BY partition, "offset"',
                "assets",
            )
        finally:
            await connection.close()
        return [json.loads(row["value"]) for row in rows]


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
def say() -> Say:
    """Builds events."""
    return Say()
