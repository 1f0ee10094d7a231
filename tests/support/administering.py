"""Every door of roster-publisher that has to do with vendors, as one replica in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from roster_common.runtime.problems import install_problem_handlers
from roster_common.runtime.tokens import Operators, Role, mint, new_keypair
from roster_publisher.adapters.postgres.grant_trials import PostgresGrantTrials
from roster_publisher.adapters.postgres.pulls import PostgresPulls
from roster_publisher.adapters.postgres.vendor_admin import PostgresVendorAdmin
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.adapters.secrets import SecretDigests
from roster_publisher.domain.collections import DEMOGRAPHICS, ROSTER
from roster_publisher.domain.pacing import Pace
from roster_publisher.entrypoints.http.changes import change_routes
from roster_publisher.entrypoints.http.token import token_routes
from roster_publisher.entrypoints.http.vendor_admin import vendor_routes
from roster_publisher.entrypoints.http.vendor_views import Version, audit_routes, preview_routes
from roster_publisher.entrypoints.http.vendors import VendorDoor
from roster_publisher.entrypoints.oneroster.app import OneRosterApp
from roster_publisher.entrypoints.oneroster.discovery import BASE_PATH
from roster_publisher.entrypoints.oneroster.faces import V1P1, V1P1_BASE_PATH, V1P2, Face
from roster_publisher.usecases.administer_vendors import AdministerVendors
from roster_publisher.usecases.note_pulls import NotePulls
from roster_publisher.usecases.pace_callers import PaceCallers, PaceTokens
from roster_publisher.usecases.preview_vendor import PreviewVendor
from roster_publisher.usecases.read_collection import ReadCollection, UnsavedPulls
from roster_publisher.usecases.tokens import IssueToken, RecogniseToken
from tests.support.oneroster_records import (
    class_,
    course,
    demographics,
    enrollment,
    org,
    role,
    school_world,
    user,
)
from tests.support.publishing import BASE, Publishing

PRIVATE_KEY, PUBLIC_KEY = new_keypair()
WORLD = [
    *school_world(users=2),
    ("org", org("s2")),
    ("user", user("amy", role("s2"), givenName="Amy", grades=["05"])),
    ("course", course("algebra")),
    ("class", class_("c2", course="algebra", school="s2", grades=["07"])),
    ("enrollment", enrollment("e1", user="u000")),
    ("enrollment", enrollment("e2", user="amy", class_id="c2", school="s2")),
    ("demographics", demographics("amy", birthDate="2010-01-31")),
]
# Verb, path, body and the least role that each door of vendors asks for.
DOORS = [
    ("GET", "/vendors", None, "viewer"),
    ("GET", "/vendors/app", None, "viewer"),
    ("GET", "/vendors/app/preview", None, "viewer"),
    ("GET", "/vendors/app/audit", None, "viewer"),
    ("GET", "/vendors/app/preview/users", None, "admin"),
    ("POST", "/vendors", {"id": "new", "scopes": [ROSTER]}, "admin"),
    ("POST", "/vendors/app/rotate", {}, "admin"),
    ("POST", "/vendors/app/grant", {"schools": ["s1"]}, "admin"),
    ("POST", "/vendors/app/revoke", None, "admin"),
]
SCOPES = [ROSTER, DEMOGRAPHICS]


def ids(answer: httpx2.Response, what: str = "users") -> list[str]:
    """Of the records in an answer."""
    assert answer.status_code == 200, answer.text
    return [record["sourcedId"] for record in answer.json()[what]]


@dataclass
class Replica:
    """One process: its doors, and what it remembers."""

    publishing: Publishing
    http: httpx2.AsyncClient
    recognise: RecogniseToken

    def as_(
        self, role: Role = "admin", *, districts: Any = ("d1",), subject: str = "ana"
    ) -> dict[str, str]:
        """Headers of an operator."""
        token = mint(
            PRIVATE_KEY,
            subject=subject,
            role=role,
            districts=districts,
            now=self.publishing.clock.now(),
        )
        return {"authorization": f"Bearer {token}"}

    async def ask(
        self, verb: str, path: str, body: Any = None, *, headers: Any = None, **query: Any
    ) -> httpx2.Response:
        """An operator's request in d1, as an admin unless told otherwise."""
        return await self.http.request(
            verb,
            path,
            params={"district": "d1", **query},
            json=body,
            headers=headers or self.as_(),
        )

    async def make(self, client: str = "app", **more: Any) -> str:
        """A vendor that sees all of d1 unless told otherwise; returns its secret."""
        answer = await self.ask("POST", "/vendors", {"id": client, "scopes": SCOPES, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["secret"])

    async def version(self) -> int:
        """What every process looks at once a second."""
        return await PostgresVendors(self.publishing.database).version()

    async def token(self, secret: str, client: str = "app") -> httpx2.Response:
        """What the vendor that asks for a token gets."""
        return await self.http.post(
            "/oauth2/token",
            data={
                "grant_type": "client_credentials",
                "client_id": client,
                "client_secret": secret,
            },
        )

    async def bearer(self, secret: str, client: str = "app") -> dict[str, str]:
        """Headers of a vendor with a fresh token."""
        answer = await self.token(secret, client)
        assert answer.status_code == 200, answer.text
        return {"authorization": f"Bearer {answer.json()['access_token']}"}

    async def read(
        self, headers: dict[str, str], path: str = "users", **query: Any
    ) -> httpx2.Response:
        """A read of the vendor, by OneRoster 1.2."""
        return await self.http.get(f"{BASE_PATH}/{path}", headers=headers, params=query)


@asynccontextmanager
async def replica(publishing: Publishing) -> AsyncIterator[Replica]:
    """The doors on the database of `publishing`."""
    recognise = RecogniseToken(PostgresVendors(publishing.database), publishing.clock)
    served = _served(publishing, recognise)
    transport = httpx2.ASGITransport(app=served)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
        yield Replica(publishing=publishing, http=http, recognise=recognise)


def _served(publishing: Publishing, recognise: RecogniseToken) -> ASGIApp:
    clock = publishing.clock
    pace, notes = PaceCallers(publishing.pace, clock), NotePulls(publishing.audit, clock)

    def face_of(face: Face, collections: ReadCollection) -> OneRosterApp:
        return OneRosterApp(
            recognise=recognise,
            collections=collections,
            reads=publishing.reads,
            clock=clock,
            pace=pace,
            notes=notes,
            public_url=None,
            hash_key=publishing.hash_key,
            face=face,
        )

    own = ReadCollection(publishing.reads, PostgresPulls(publishing.reads.lines), clock)
    shown = ReadCollection(publishing.reads, UnsavedPulls(), clock)
    doors = FastAPI()
    install_problem_handlers(doors)
    door = VendorDoor(recognise, clock, pace, notes)
    doors.include_router(change_routes(door, publishing.changes, public_url=None, reads_at=""))
    for routes in _operators_doors(
        publishing,
        recognise,
        {
            "1.2": (BASE_PATH, face_of(V1P2, shown)),
            "1.1": (V1P1_BASE_PATH, face_of(V1P1, shown)),
        },
    ):
        doors.include_router(routes)
    vendors = PostgresVendors(publishing.database)
    doors.include_router(
        token_routes(
            IssueToken(vendors, SecretDigests(), clock, publishing.audit),
            published=lambda _secret: False,
            pace=PaceTokens(pace, PaceCallers(Pace(rate=0.1, burst=10), clock)),
        )
    )
    plain = {BASE_PATH: face_of(V1P2, own), V1P1_BASE_PATH: face_of(V1P1, own)}

    async def all_of_it(scope: Scope, receive: Receive, send: Send) -> None:
        for prefix, app in plain.items():
            if scope["path"].startswith(f"{prefix}/"):
                await app({**scope, "root_path": prefix}, receive, send)
                return
        await doors(scope, receive, send)

    return all_of_it


def _operators_doors(
    publishing: Publishing,
    recognise: RecogniseToken,
    faces: dict[Version, tuple[str, OneRosterApp]],
) -> list[APIRouter]:
    clock, operators = publishing.clock, Operators(PUBLIC_KEY, publishing.clock)
    admin = PostgresVendorAdmin(publishing.database)
    administer = AdministerVendors(
        admin,
        publishing.scopes,
        PostgresGrantTrials(publishing.database),
        SecretDigests(),
        clock,
        hash_key=publishing.hash_key,
        changed=recognise.forget,
    )
    preview = PreviewVendor(publishing.reads)
    return [
        vendor_routes(operators, administer, admin, publishing.audit, clock),
        audit_routes(operators, publishing.audit),
        preview_routes(operators, admin, preview, clock, faces=faces),
    ]
