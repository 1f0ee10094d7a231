"""roster-publisher on a real database, without its loops: tests turn each step by hand."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
import orjson
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from roster_common.contracts.envelope import new_event
from roster_common.runtime.clock import Uuid7Ids
from roster_common.runtime.database import Database
from roster_common.runtime.problems import install_problem_handlers
from roster_common.runtime.sealing import KEY_BYTES, Seal
from roster_common.testkit.clock import FixedClock
from roster_publisher.adapters.csv_zip import CsvZip
from roster_publisher.adapters.district_days import DistrictDays
from roster_publisher.adapters.postgres.audit import PostgresAudit
from roster_publisher.adapters.postgres.dirty_marks import BULK_QUIET
from roster_publisher.adapters.postgres.feed import PostgresFeed
from roster_publisher.adapters.postgres.housekeeping import PostgresHousekeeping, PostgresStatus
from roster_publisher.adapters.postgres.packages import PostgresPackages
from roster_publisher.adapters.postgres.pulls import PostgresPulls
from roster_publisher.adapters.postgres.queue import PostgresDirtyQueue
from roster_publisher.adapters.postgres.reads import PostgresReads
from roster_publisher.adapters.postgres.roster_unit import PostgresRosterUnit
from roster_publisher.adapters.postgres.scope_backfill import PostgresScopes
from roster_publisher.adapters.postgres.signing_keys import PostgresNonces, PostgresSigningKeys
from roster_publisher.adapters.postgres.state_unit import PostgresStateUnits
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.adapters.secrets import SecretDigests
from roster_publisher.domain.access import Grant, How, SigningKey
from roster_publisher.domain.collections import KNOWN_SCOPES
from roster_publisher.domain.names import Allocated, NameAuthority
from roster_publisher.domain.pacing import Pace
from roster_publisher.domain.publication import Cause, Change
from roster_publisher.domain.records import Key
from roster_publisher.domain.rules import Rule
from roster_publisher.domain.transforms import read_transforms
from roster_publisher.entrypoints.http.changes import change_routes
from roster_publisher.entrypoints.http.exports import export_routes
from roster_publisher.entrypoints.http.vendors import VendorDoor
from roster_publisher.entrypoints.oneroster.app import OneRosterApp
from roster_publisher.entrypoints.oneroster.faces import V1P1, V1P1_BASE_PATH, V1P2
from roster_publisher.usecases.apply_changes import Applied, ApplyChanges
from roster_publisher.usecases.derive_classes import DeriveClasses
from roster_publisher.usecases.derive_people import DerivePeople
from roster_publisher.usecases.export_package import ExportPackage
from roster_publisher.usecases.mark_due import MarkDue
from roster_publisher.usecases.note_pulls import NotePulls
from roster_publisher.usecases.pace_callers import PaceCallers
from roster_publisher.usecases.read_changes import ReadChanges
from roster_publisher.usecases.read_collection import ReadCollection
from roster_publisher.usecases.recognise_signature import RecogniseSignature
from roster_publisher.usecases.seed_clients import ConfiguredClient, SeedClients
from roster_publisher.usecases.shape_bodies import ShapeBodies
from roster_publisher.usecases.take_names import NamesTaken, TakeNames
from roster_publisher.usecases.tokens import Issued, IssueToken, RecogniseToken, TokenRefused

BASE = "http://roster.test"
SECRET = f"hrs_{'a' * 43}"
# A secret that opens nothing, wherever it is kept.
PUBLISHED = "published-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitted:
    """An event as it stands on the log."""

    type: str
    origin: str
    correlation_id: str
    data: dict[str, Any]


@dataclass
class Publishing:
    """The service's use cases on one database and a clock that stands still."""

    database: Database
    clock: FixedClock = field(default_factory=FixedClock)
    settle: timedelta = timedelta(minutes=15)
    ids: Uuid7Ids = field(default_factory=Uuid7Ids)
    authority: NameAuthority = field(default_factory=NameAuthority)
    clients: dict[str, ConfiguredClient] = field(default_factory=dict)
    pace: Pace = field(default_factory=lambda: Pace(rate=1e6, burst=1_000_000))
    signing: dict[str, SigningKey] = field(default_factory=dict)
    seal: Seal = field(default_factory=lambda: Seal([bytes(KEY_BYTES)]))
    public_url: str | None = None
    hash_key: bytes | None = bytes(32)

    def __post_init__(self) -> None:
        self.today = DistrictDays("UTC", {})
        self.queue = PostgresDirtyQueue(self.database)
        self.reads = PostgresReads(self.database)
        self.reopen()
        self.status = PostgresStatus(self.database)
        self.audit = PostgresAudit(self.database)
        self.scopes = PostgresScopes(self.database)
        self.housekeeping = PostgresHousekeeping(self.database)
        self.due = MarkDue(self.queue, self.clock, today=self.today, new_id=self.ids.new_id)
        self._apply = ApplyChanges(self.clock, lambda _district: self.authority)
        self._take = TakeNames(self.clock, lambda _district: self.authority)

    def change(
        self,
        entity: Any,
        record: dict[str, Any] | str,
        *,
        origin: Any = "webhook",
        correlation_id: str = "corr",
        merged_into: str | None = None,
    ) -> Change:
        """A change now; a bare id instead of a record is a deletion."""
        deleted = isinstance(record, str)
        sourced_id = record if isinstance(record, str) else record["sourcedId"]
        return Change(
            key=Key(entity, sourced_id),
            record=None if deleted else record,  # type: ignore[arg-type]
            time=self.clock.now(),
            cause=Cause(event_id=self.ids.new_id(), correlation_id=correlation_id, origin=origin),
            merged_into=merged_into,
        )

    async def publish(
        self, *facts: tuple[Any, dict[str, Any] | str], district: str = "d1", **how: Any
    ) -> Applied:
        """Apply facts as one batch, a second after the last."""
        self.clock.advance(1)
        return await self.apply([self.change(e, r, **how) for e, r in facts], district=district)

    async def apply(self, changes: Sequence[Change], *, district: str = "d1") -> Applied:
        """One batch, one transaction."""
        async with self.database.begin() as tx:
            unit = PostgresRosterUnit(await tx.driver())
            return await self._apply(unit, district, changes)

    def named(
        self, person_id: str, *, target: str = "scim", correlation_id: str = "corr", **names: str
    ) -> Allocated:
        """Names a target allocated, now."""
        return Allocated(
            person_id=person_id,
            target=target,
            username=names.get("username"),
            email=names.get("email"),
            time=self.clock.now(),
            cause=Cause(
                event_id=self.ids.new_id(), correlation_id=correlation_id, origin="webhook"
            ),
        )

    async def take(self, *told: Allocated, district: str = "d1") -> NamesTaken:
        """One batch of allocated names, one transaction."""
        async with self.database.begin() as tx:
            return await self._take(PostgresRosterUnit(await tx.driver()), district, told)

    async def derive(self, *, after: timedelta = BULK_QUIET) -> None:
        """Work out every state that is marked and ready `after` a while; all of it by default."""
        self.clock.advance(after.total_seconds())
        units = PostgresStateUnits(self.database, self._new_event)
        people = DerivePeople(
            units,
            self.clock,
            today=self.today,
            settle=self.settle,
            authority=lambda _: self.authority,
        )
        classes = DeriveClasses(units, self.clock)
        while await people() + await classes():
            pass

    async def emitted(self, kind: str | None = None) -> list[Emitted]:
        """Everything on the log in order, or what ends in `kind`."""
        async with self.database.begin() as tx:
            rows = await (await tx.driver()).fetch(
                'SELECT headers::text, value FROM log.event ORDER BY topic, partition, "offset"'
            )
        found = [_emitted(orjson.loads(row[0]), orjson.loads(row[1])) for row in rows]
        return [one for one in found if kind is None or one.type.endswith(kind)]

    async def purge(self) -> None:
        """One turn of the housekeeping, with the published retention."""
        await self.scopes.drop_unused(now=self.clock.now())
        await self.housekeeping.purge(
            now=self.clock.now(),
            keep_history=timedelta(hours=24),
            keep_tombstones=timedelta(days=90),
            keep_audit=timedelta(days=400),
        )

    async def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """A look into the tables."""
        async with self.database.begin() as tx:
            return [dict(row) for row in await (await tx.driver()).fetch(sql, *values)]

    @asynccontextmanager
    async def vendor(
        self,
        client_id: str = "vendor",
        *,
        scopes: frozenset[str] = KNOWN_SCOPES,
        schools: tuple[str, ...] | None = None,
        rules: tuple[Rule, ...] = (),
        district: str = "d1",
        fields: frozenset[str] | None = None,
        transforms: dict[str, How] | None = None,
        expires_at: datetime | None = None,
    ) -> AsyncIterator[httpx2.AsyncClient]:
        """An HTTP client that carries a token of a fresh grant."""
        grant = Grant(
            district_id=district,
            client_id=client_id,
            token_scopes=scopes,
            school_ids=schools,
            rules=rules,
            field_groups=fields,
            transforms=read_transforms(transforms or {}),
            agreement=None if expires_at is None else "2026-17",
            expires_at=expires_at,
        )
        self.clients[client_id] = ConfiguredClient(secret=SECRET, grant=grant)
        await self.seed()
        issued = await self.issue(client_id)
        assert isinstance(issued, Issued), issued
        async with self.http(headers={"Authorization": f"Bearer {issued.token}"}) as client:
            yield client

    async def seed(self) -> Sequence[str]:
        """The start of a service with the clients of this moment; ids of those that ended."""
        seed = SeedClients(
            PostgresVendors(self.database),
            self.scopes,
            SecretDigests(),
            self.clock,
            hash_key=self.hash_key,
        )
        ended = (await seed(list(self.clients.values()))).ended
        await PostgresSigningKeys(self.database, self.seal).keep(list(self.signing.values()))
        return ended

    async def issue(self, client_id: str, *, secret: str = SECRET) -> Issued | TokenRefused:
        """What a client that asks for a token gets."""
        issue = IssueToken(PostgresVendors(self.database), SecretDigests(), self.clock, self.audit)
        return await issue(client_id=client_id, secret=secret, scope=None)

    def signatures(self) -> RecogniseSignature:
        """Who signs by OAuth 1, as a process of its own knows it."""
        return RecogniseSignature(
            PostgresSigningKeys(self.database, self.seal),
            PostgresNonces(self.database),
            PostgresVendors(self.database),
            self.clock,
            published=lambda secret: secret == PUBLISHED,
        )

    @asynccontextmanager
    async def http(self, **more: Any) -> AsyncIterator[httpx2.AsyncClient]:
        """An HTTP client on OneRoster, 1.1 below its base path; without a token unless given."""
        pulls = PostgresPulls(self.reads.lines)
        recognise = RecogniseToken(PostgresVendors(self.database), self.clock)
        collections = ReadCollection(self.reads, pulls, self.clock)
        pace, notes = PaceCallers(self.pace, self.clock), NotePulls(self.audit, self.clock)
        current, old = (
            OneRosterApp(
                recognise=recognise,
                collections=collections,
                reads=self.reads,
                clock=self.clock,
                pace=pace,
                notes=notes,
                public_url=self.public_url,
                hash_key=self.hash_key,
                face=face,
                signatures=self.signatures() if face is V1P1 else None,
            )
            for face in (V1P2, V1P1)
        )
        feed = FastAPI()
        install_problem_handlers(feed)
        door = VendorDoor(recognise, self.clock, pace, notes)
        feed.include_router(change_routes(door, self.changes, public_url=None, reads_at=""))
        feed.include_router(export_routes(door, self.export, at_once=4))

        async def both(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"].startswith(f"{V1P1_BASE_PATH}/"):
                await old({**scope, "root_path": V1P1_BASE_PATH}, receive, send)
                return
            served = feed if scope["path"] in {"/changes", "/exports/oneroster.zip"} else current
            await served(scope, receive, send)

        transport = httpx2.ASGITransport(app=both)
        async with httpx2.AsyncClient(transport=transport, base_url=BASE, **more) as client:
            yield client

    def reopen(self) -> None:
        """The change feed and packages as a process has them that starts with the key of this moment."""
        self.changes = ReadChanges(PostgresFeed(self.reads.lines), self._shape())
        self.export = ExportPackage(
            self.reads,
            PostgresPackages(self.reads.lines),
            self._shape(),
            PostgresVendors(self.database),
            CsvZip,
            self.clock,
            keep=timedelta(days=90),
        )

    def _shape(self) -> ShapeBodies:
        return ShapeBodies(self.reads, clock=self.clock, hash_key=self.hash_key)

    def _new_event(self, data: Any, **attributes: Any) -> Any:
        return new_event(
            data,
            event_id=self.ids.new_id(),
            time=self.clock.now(),
            service="roster-publisher",
            **attributes,
        )


def _emitted(headers: dict[str, str], data: dict[str, Any]) -> Emitted:
    return Emitted(
        type=headers["ce_type"],
        origin=headers["ce_origin"],
        correlation_id=headers["ce_correlationid"],
        data=data,
    )
