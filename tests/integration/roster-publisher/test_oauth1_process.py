"""OAuth 1.0a over real processes: replicas, restarts, and our own sis-ingest as a client."""

import base64
import json
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from roster_common.runtime.database import Database
from roster_common.runtime.migrations import migrate
from roster_common.runtime.sealing import KEY_BYTES
from tests.support.eventually import eventually
from tests.support.oauth1 import KEY, SECRET, signed
from tests.support.oneroster_records import demographics, enrollment, school_world
from tests.support.oneroster_v1p1 import check_v1p1_status
from tests.support.processes import Program, start_service
from tests.support.publishing import Publishing
from tests.support.pulling import NEVER_DUE, pulling

OLD = "/ims/oneroster/v1p1"
SCOPE = "https://purl.imsglobal.org/spec/or/v1p1/scope/"
CLIENTS = [
    {
        "id": "reading-app",
        "secret": "of-oauth-2",
        "district": "d1",
        "scopes": [f"{SCOPE}roster.readonly", f"{SCOPE}roster-demographics.readonly"],
        "oauth1": {"key": KEY, "secret": SECRET},
    }
]
WORLD: list[tuple[Any, Any]] = [
    *school_world(users=3),
    ("enrollment", enrollment("e1", user="u000")),
    ("demographics", demographics("u000")),
]


@pytest.fixture
async def filled(publisher_url: str) -> str:
    """A database with a small roster."""
    database = Database(publisher_url, name="test", pool_size=3)
    publishing = Publishing(database=database)
    await publishing.publish(*WORLD)
    await publishing.reads.close()
    await database.close()
    return publisher_url


@contextmanager
def running(url: str, folder: Path, **more: str) -> Any:
    """A process of the service, killed at the end."""
    key = base64.b64encode(bytes(KEY_BYTES)).decode()
    program = start_service(
        "roster_publisher",
        folder=folder,
        env={
            "HOMEROOM_DATABASE_URL": url,
            "HOMEROOM_ENVIRONMENT": "test",
            "HOMEROOM_CLIENTS": json.dumps(CLIENTS),
            "HOMEROOM_CREDENTIAL_KEYS": json.dumps([key]),
            "HOMEROOM_PUBLIC_URL": "http://roster.test",
            **more,
        },
    )
    try:
        yield program
    finally:
        program.kill()


async def ask(program: Program, request: httpx2.Request) -> httpx2.Response:
    """The request as a proxy hands it on: to this process, whatever host it was signed for."""
    there = str(request.url).replace("http://roster.test", program.url)
    async with httpx2.AsyncClient(timeout=20) as http:
        return await http.get(there, headers={"authorization": request.headers["authorization"]})


def sign(path: str = "users") -> httpx2.Request:
    return signed(f"http://roster.test{OLD}/{path}", at=time.time())


async def let_in(program: Program) -> httpx2.Request:
    """A request that was let in, once the process knows its clients."""

    async def attempt() -> httpx2.Request | None:
        request = sign()
        answer = await ask(program, request)
        return request if answer.status_code == 200 else None

    return await eventually(attempt, what="a signature fits")


async def test_a_nonce_is_spent_for_every_replica_and_after_a_crash(
    filled: str, tmp_path: Path
) -> None:
    with running(filled, tmp_path) as first, running(filled, tmp_path) as second:
        spent = await let_in(first)
        again = [await ask(one, spent) for one in (first, second)]
        fresh = await ask(second, sign("users/u000"))
    with running(filled, tmp_path) as restarted:
        await let_in(restarted)
        again.append(await ask(restarted, spent))

    assert fresh.json()["user"]["orgs"][0]["href"].startswith(f"http://roster.test{OLD}/orgs/")
    assert [one.status_code for one in again] == [401] * 3
    for one in again:
        check_v1p1_status(one.json(), severity="error", minor="unauthorisedrequest")
        assert "used before" in one.json()["imsx_description"]
    logs = "".join(file.read_text("utf-8") for file in tmp_path.glob("*.log"))
    assert "signature_refused" in logs
    assert SECRET not in logs


@pytest.mark.parametrize("auth", ["oauth1_sha1", "oauth1_sha256"])
async def test_our_own_client_of_1_1_takes_our_roster_in(
    filled: str, tmp_path: Path, auth: str
) -> None:
    await migrate(filled, schema="sis_ingest", script_package="sis_ingest.migrations")
    with running(filled, tmp_path, HOMEROOM_PUBLIC_URL="") as program:
        await signing_fits(program)
        source = {
            "id": "pulled",
            "district": "d9",
            "kind": "oneroster_rest",
            "pull": {
                "baseUrl": program.url,
                "auth": auth,
                "clientId": KEY,
                "clientSecret": SECRET,
                "pageSize": 2,
                "options": {"version": "1.1"},
                **NEVER_DUE,
            },
        }
        async with pulling(filled, tmp_path, source) as puller:
            report = await puller.pull()
            people = await puller.live("user")
            links = await puller.live("enrollment")

    assert report["refusals"] == []
    assert people == {"u000", "u001", "u002"}
    assert links == {"e1"}


async def signing_fits(program: Program) -> None:
    """Waits until the process knows its clients; signed for its own address."""

    async def attempt() -> bool:
        request = signed(f"{program.url}{OLD}/orgs", at=time.time())
        return (await ask(program, request)).status_code == 200

    await eventually(attempt, what="a signature fits")
