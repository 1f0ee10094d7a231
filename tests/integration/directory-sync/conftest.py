"""directory-sync as a process, between a real log and a real SCIM directory made by others."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import asyncpg
import httpx2
import pytest

from homeroom.parts.missing import Missing
from homeroom.parts.scim import RunningScim, start_scim
from roster_common.contracts.envelope import Event, Origin, new_event, new_tombstone
from roster_common.contracts.roster_class_v1 import ClassState
from roster_common.contracts.roster_person_v1 import PersonClass, PersonRole, PersonState
from roster_common.runtime.clock import SystemClock, Uuid7Ids
from roster_common.runtime.database import Database
from roster_common.runtime.log.prepare import prepare_log
from roster_common.runtime.migrations import migrate
from roster_common.runtime.tokens import Role, mint, new_keypair
from tests.support.databases import Databases
from tests.support.ports import own_port
from tests.support.processes import Program, start_program, start_service
from tests.support.used_parts import note_part

DISTRICT = "north"
TARGET = "north-directory"
IDS = Uuid7Ids()
PRIVATE_KEY, PUBLIC_KEY = new_keypair()


@pytest.fixture(scope="session")
def directory_template(databases: Databases) -> str:
    """A database with the log's and this service's schemas."""

    async def prepare(url: str) -> None:
        await prepare_log(url)
        await migrate(url, schema="directory_sync", script_package="directory_sync.migrations")

    return databases.template("directory", prepare=lambda url: asyncio.run(prepare(url)))


@pytest.fixture
def directory_database_url(databases: Databases, directory_template: str) -> Iterator[str]:
    """A fresh database for one test."""
    url = databases.fresh(template=directory_template)
    yield url
    databases.drop(url)


@pytest.fixture
def scim(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningScim]:
    """An empty directory for one test."""
    started = start_scim(tmp_path, port=own_port())
    if isinstance(started, Missing):
        pytest.skip(str(started))
    note_part(request.config, part="SCIM", line=str(started))
    yield started
    started.stop()


def person(person_id: str, **fields: Any) -> PersonState:
    """A student of Hill School, unless `fields` say otherwise."""
    student = PersonRole(role="student", role_type="primary", org_id="hill")
    values: dict[str, Any] = {
        "person_id": person_id,
        "status": "active",
        "enabled": True,
        "given_name": "Ada",
        "family_name": "Lovelace",
        "revision": 1,
        "roles": (student,),
    }
    return PersonState(**(values | fields))


def roster_class(class_id: str, *, origin: Origin = "webhook", **fields: Any) -> Event:
    """The event that tells of a class of Hill School."""
    values = {"status": "active", "title": "Algebra", "revision": 1, "school_id": "hill"}
    return new_event(
        ClassState(class_id=class_id, **(values | fields)),
        event_id=IDS.new_id(),
        time=datetime(2026, 9, 1, tzinfo=UTC),
        service="roster-publisher",
        district_id=DISTRICT,
        correlation_id="why-class",
        origin=origin,
    )


def seat(class_id: str, role: Literal["student", "teacher"] = "student") -> tuple[PersonClass, ...]:
    """A place in one class."""
    return (PersonClass(class_id=class_id, role=role, school_id="hill"),)


def told(state: PersonState, *, origin: Origin = "webhook", correlation_id: str = "why-1") -> Event:
    """The event that tells of a person."""
    return new_event(
        state,
        event_id=IDS.new_id(),
        time=datetime(2026, 9, 1, tzinfo=UTC),
        service="roster-publisher",
        district_id=DISTRICT,
        correlation_id=correlation_id,
        origin=origin,
    )


@dataclass(slots=True, kw_only=True)
class World:
    """One district's log, the directory, and the service between them."""

    database_url: str
    database: Database
    scim: RunningScim
    folder: Path
    http: httpx2.AsyncClient
    programs: list[Program] = field(default_factory=list)
    kinds_of_groups: tuple[str, ...] = ()
    first_connection: str = "apply"

    async def tell(self, *events: Event) -> None:
        """Put events on the log in one commit."""
        async with self.database.begin() as tx:
            for event in events:
                tx.emit(event)

    async def erase(self, person_id: str) -> None:
        """Put a tombstone for a person on the log."""
        await self.tell(
            new_tombstone(
                PersonState,
                f"person/{person_id}",
                event_id=IDS.new_id(),
                time=datetime(2026, 9, 1, tzinfo=UTC),
                service="roster-publisher",
                district_id=DISTRICT,
                correlation_id="why-erased",
                origin="operator",
            )
        )

    def targets(self, **more: Any) -> str:
        """The targets setting."""
        target = {
            "id": TARGET,
            "district": DISTRICT,
            "kind": "scim",
            "url": self.scim.url,
            "token": self.scim.token,
            "roles": ["student", "teacher"],
            "emailDomain": "north.example",
            "groups": list(self.kinds_of_groups),
            "firstConnection": self.first_connection,
        }
        return json.dumps([target | more])

    def environment(self, **more: str) -> dict[str, str]:
        """What the service is told."""
        return {
            "HOMEROOM_ENVIRONMENT": "test",
            "HOMEROOM_DATABASE_URL": self.database_url,
            "HOMEROOM_OPERATOR_PUBLIC_KEY": PUBLIC_KEY,
            "HOMEROOM_TARGETS": self.targets(),
            "HOMEROOM_LEASE_S": "2",
            **more,
        }

    def start(self, **more: str) -> Program:
        """Start the service; returns when it is ready."""
        program = start_service("directory_sync", folder=self.folder, env=self.environment(**more))
        self.programs.append(program)
        return program

    def start_doomed(self, failpoint: str, marker: Path) -> Program:
        """Start the service so that it kills itself at a fail point; does not wait."""
        env = self.environment(HOMEROOM_FAILPOINT=failpoint, HOMEROOM_FAILPOINT_FILE=str(marker))
        program = start_program("directory_sync", folder=self.folder, env=env)
        self.programs.append(program)
        return program

    async def users(self) -> Sequence[Mapping[str, Any]]:
        """Every account, read from the directory itself."""
        found: list[Mapping[str, Any]] = []
        while True:
            answer = await self.scim_request(
                "GET", "/Users", params={"startIndex": str(len(found) + 1), "count": "500"}
            )
            page = answer.json()
            found += page["Resources"]
            if len(found) >= page["totalResults"]:
                return found

    async def user(self, person_id: str) -> Mapping[str, Any] | None:
        """The one account that carries this person's id; None while there is none."""
        mine = [user for user in await self.users() if user.get("externalId") == person_id]
        assert len(mine) <= 1, "two accounts for one person"
        return mine[0] if mine else None

    async def groups(self) -> Sequence[Mapping[str, Any]]:
        """Every group, read from the directory itself."""
        answer = (await self.scim_request("GET", "/Groups", params={"count": "1000"})).json()
        assert len(answer["Resources"]) == answer["totalResults"]
        found: Sequence[Mapping[str, Any]] = answer["Resources"]
        return found

    async def members(self) -> Mapping[str, set[str]]:
        """Person ids by the key of each group, as the directory shows them."""
        persons = {user["id"]: user["externalId"] for user in await self.users()}
        return {
            group["externalId"]: {persons[m["value"]] for m in group.get("members", ())}
            for group in await self.groups()
        }

    async def scim_request(self, method: str, path: str, **parts: Any) -> httpx2.Response:
        """Speak to the directory as somebody else would."""
        return await self.http.request(
            method,
            self.scim.url + path,
            headers={"Authorization": f"Bearer {self.scim.token}"},
            **parts,
        )

    async def page(
        self, program: Program, path: str, *, districts: Sequence[str] = (DISTRICT,)
    ) -> httpx2.Response:
        """An operator's page."""
        headers = _token(role="viewer", subject="test", districts=districts)
        return await self.http.get(program.url + path, headers=headers)

    async def post(
        self,
        program: Program,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        role: Role = "approver",
        subject: str = "test",
        districts: Sequence[str] = (DISTRICT,),
    ) -> httpx2.Response:
        """What an operator asks for."""
        headers = _token(role=role, subject=subject, districts=districts)
        return await self.http.post(program.url + path, json=body, headers=headers)

    async def try_post(
        self, program: Program, path: str, body: Mapping[str, Any]
    ) -> httpx2.Response | None:
        """As `post`, of a service that may die meanwhile; None when no answer came."""
        try:
            return await self.post(program, path, body)
        except httpx2.HTTPError:
            return None

    async def query(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Look into the database."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def events(self, topic: str = "directory.accounts") -> list[tuple[str, dict[str, Any]]]:
        """(type, body) of everything on a topic, in order."""
        rows = await self.query(
            'SELECT headers, value FROM log.event WHERE topic = $1 ORDER BY partition, "offset"',
            topic,
        )
        return [(json.loads(row["headers"])["ce_type"], json.loads(row["value"])) for row in rows]

    async def waiting(self) -> int:
        """Marks not worked off yet."""
        rows = await self.query("SELECT count(*) AS n FROM directory_sync.dirty")
        return int(rows[0]["n"])

    async def told_is_read(self) -> bool:
        """Everything told is taken in; work on it may wait."""
        (row,) = await self.query(
            "SELECT (SELECT count(*) FROM log.event WHERE topic = 'roster.state') AS told,"
            " (SELECT coalesce(sum(next_sequence), 0)"
            "  FROM directory_sync.consumer_position) AS read"
        )
        return bool(row["told"] == row["read"])

    async def settled(self) -> bool:
        """Everything told is taken in, and no person and no group waits."""
        (row,) = await self.query(
            "SELECT (SELECT count(*) FROM directory_sync.dirty) AS people,"
            " (SELECT count(*) FROM directory_sync.dirty_group) AS groups,"
            " (SELECT count(*) FROM log.event WHERE topic = 'roster.state') AS told,"
            " (SELECT coalesce(sum(next_sequence), 0)"
            "  FROM directory_sync.consumer_position) AS read"
        )
        return row["told"] == row["read"] and not row["people"] and not row["groups"]


def _token(*, role: Role, subject: str, districts: Sequence[str]) -> dict[str, str]:
    token = mint(
        PRIVATE_KEY,
        subject=subject,
        role=role,
        districts=list(districts),
        now=SystemClock().now(),
    )
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def world(
    directory_database_url: str, scim: RunningScim, tmp_path: Path
) -> AsyncIterator[World]:
    """A fresh world; what it started is stopped at the end."""
    database = Database(directory_database_url, name="test")
    async with httpx2.AsyncClient(timeout=20) as http:
        made = World(
            database_url=directory_database_url,
            database=database,
            scim=scim,
            folder=tmp_path,
            http=http,
        )
        yield made
        for program in made.programs:
            program.kill()
    await database.close()


@pytest.fixture
def a_person() -> Callable[..., PersonState]:
    """Builds a person's state."""
    return person


@pytest.fixture
def an_event() -> Callable[..., Event]:
    """Builds the event that tells of a person."""
    return told


@pytest.fixture
def grouped(world: World) -> World:
    """A world whose target wants groups of both kinds."""
    world.kinds_of_groups = ("school", "class")
    return world


@pytest.fixture
def a_class() -> Callable[..., Event]:
    """Builds the event that tells of a class."""
    return roster_class


@pytest.fixture
def a_seat() -> Callable[..., tuple[PersonClass, ...]]:
    """Builds a person's place in a class."""
    return seat
