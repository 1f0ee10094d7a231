"""The service as a real process: its doors, and what a crash between any two steps leaves."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from roster_common.contracts.directory_account_v1 import AccountNamed
from roster_common.contracts.envelope import new_event
from roster_common.contracts.oneroster import read_record
from roster_common.contracts.record_upserted_v1 import UPSERTED
from roster_common.runtime.clock import SystemClock, Uuid7Ids
from roster_common.runtime.database import Database
from roster_common.runtime.tokens import mint, new_keypair
from tests.support.eventually import eventually
from tests.support.official_oneroster import check_collection
from tests.support.oneroster_records import Record, enrollment, school_world, user
from tests.support.processes import Program, start_program, start_service
from tests.support.publishing import Publishing

BASE_PATH = "/ims/oneroster/rostering/v1p2"
SCOPES = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
CLIENTS = (
    '[{"id": "demo-vendor", "secret": "demo-secret", "district": "d1",'
    f' "scopes": ["{SCOPES}roster.readonly", "{SCOPES}roster-demographics.readonly"]}}]'
)
WORLD = [*school_world(users=3), ("enrollment", enrollment("e1", user="u000"))]
PRIVATE_KEY, PUBLIC_KEY = new_keypair()


def environment(url: str) -> dict[str, str]:
    """What the service is told; leavers leave at once."""
    return {
        "HOMEROOM_DATABASE_URL": url,
        "HOMEROOM_ENVIRONMENT": "test",
        "HOMEROOM_CLIENTS": CLIENTS,
        "HOMEROOM_SETTLE_SECONDS": "0",
        "HOMEROOM_OPERATOR_PUBLIC_KEY": PUBLIC_KEY,
    }


@pytest.fixture
async def log(publisher_url: str) -> AsyncIterator[Publishing]:
    """The log and the tables, looked at from outside."""
    database = Database(publisher_url, name="test", pool_size=3)
    yield Publishing(database=database)
    await database.close()


@pytest.fixture
def service(publisher_url: str, tmp_path: Path) -> Iterator[Program]:
    """The process, ready."""
    program = start_service("roster_publisher", folder=tmp_path, env=environment(publisher_url))
    yield program
    program.kill()


async def write(log: Publishing, facts: list[tuple[str, Record]]) -> None:
    """Put facts on the log as sis-ingest would, in one commit."""
    clock, ids = SystemClock(), Uuid7Ids()
    async with log.database.begin() as tx:
        for entity, record in facts:
            upserted = UPSERTED[entity](  # type: ignore[index]
                record=read_record(entity, record),  # type: ignore[arg-type]
                changed=("all",),
            )
            tx.emit(
                new_event(
                    upserted,
                    event_id=ids.new_id(),
                    time=clock.now(),
                    service="sis-ingest",
                    district_id="d1",
                    correlation_id="delivery-1",
                    origin="webhook",
                )
            )


async def write_name(log: Publishing, who: str, username: str) -> None:
    """Put an allocated name on the log as directory-sync would."""
    clock, ids = SystemClock(), Uuid7Ids()
    async with log.database.begin() as tx:
        tx.emit(
            new_event(
                AccountNamed(person_id=who, target="scim", username=username),
                event_id=ids.new_id(),
                time=clock.now(),
                service="directory-sync",
                district_id="d1",
                correlation_id="delivery-1",
                origin="webhook",
            )
        )


async def bearer(http: httpx2.AsyncClient) -> dict[str, str]:
    """A vendor's header."""

    async def ask() -> str | None:
        answer = await http.post(
            "/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=("demo-vendor", "demo-secret"),
        )
        return answer.json().get("access_token")

    return {"Authorization": f"Bearer {await eventually(ask, what='a token')}"}


async def users_seen(http: httpx2.AsyncClient, headers: dict[str, str]) -> list[str]:
    """Ids on the users page."""
    answer = await http.get(f"{BASE_PATH}/users", headers=headers)
    check_collection(answer.json())
    return [row["sourcedId"] for row in answer.json()["users"]]


async def settled(log: Publishing, people: int) -> bool:
    """Whether everything is published and derived."""
    report = await log.status.report("d1")
    done = report.objects.get("user", {}).get("active") == people
    return done and report.dirty_people == report.dirty_classes == 0


async def test_a_change_on_the_log_is_read_by_a_vendor_and_emitted_as_state(
    log: Publishing, service: Program
) -> None:
    await write(log, WORLD)

    async with httpx2.AsyncClient(base_url=service.url, timeout=30) as http:
        headers = await bearer(http)

        async def shown() -> bool:
            return await users_seen(http, headers) == ["u000", "u001", "u002"]

        await eventually(shown, what="three users")
        page = await http.get(f"{BASE_PATH}/enrollments", headers=headers)
    (row,) = page.json()["enrollments"]
    assert row["user"]["href"] == f"{service.url}{BASE_PATH}/users/u000"

    async def states() -> bool:
        return await settled(log, 3)

    await eventually(states, what="states")
    people = await log.emitted("person.v1")
    assert {one.data["personId"] for one in people} == {"u000", "u001", "u002"}
    assert {one.correlation_id for one in people} == {"delivery-1"}


async def test_tokens_follow_the_specification(service: Program) -> None:
    async with httpx2.AsyncClient(base_url=service.url, timeout=30) as http:
        await bearer(http)
        form = {"grant_type": "client_credentials", "client_id": "demo-vendor"}
        in_form = await http.post(
            "/oauth2/token",
            data=form
            | {
                "client_secret": "demo-secret",
                "scope": "http://purl.imsglobal.org/spec/or/v1p2/scope/roster.readonly other",
            },
        )
        wrong = await http.post("/oauth2/token", data=form | {"client_secret": "wrong"})
        nobody = await http.post(
            "/oauth2/token", data={"grant_type": "client_credentials"}, auth=("who", "x")
        )
        other = await http.post("/oauth2/token", data={"grant_type": "password"})
        unknown = await http.post(
            "/oauth2/token", data=form | {"client_secret": "demo-secret", "scope": "other"}
        )
        nonsense = [
            await http.post(
                "/oauth2/token",
                data={"grant_type": "client_credentials", **more},
                headers={"authorization": header} if header else {},
            )
            for header, more in (
                (b"Basic \xe9", {}),
                (b"Basic JTAwOng=", {}),  # %00:x
                (b"Basic YQBiOng=", {}),  # a, NUL, b:x
                (None, {"client_id": "a\x00b", "client_secret": "x"}),
            )
        ]

    assert in_form.json() | {"access_token": "…"} == {
        "access_token": "…",
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": f"{SCOPES}roster.readonly",
    }
    assert in_form.headers["cache-control"] == "no-store"
    refused = [(one.status_code, one.json()["error"]) for one in (wrong, nobody, other, unknown)]
    assert refused == [
        (401, "invalid_client"),
        (401, "invalid_client"),
        (400, "unsupported_grant_type"),
        (400, "invalid_scope"),
    ]
    assert [(one.status_code, one.json()["error"]) for one in nonsense] == [
        (401, "invalid_client")
    ] * 4


async def test_operators_see_status_and_may_republish(log: Publishing, service: Program) -> None:
    await write(log, WORLD)

    async def states() -> bool:
        return await settled(log, 3)

    await eventually(states, what="states")
    tokens = {
        role: mint(
            PRIVATE_KEY,
            subject="test",
            role=role,
            districts=["d1"],
            now=SystemClock().now(),
        )
        for role in ("viewer", "admin")
    }

    async with httpx2.AsyncClient(base_url=service.url, timeout=30) as http:
        viewer = {"Authorization": f"Bearer {tokens['viewer']}"}
        admin = {"Authorization": f"Bearer {tokens['admin']}"}
        nobody = await http.get("/status?district=d1")
        status = await http.get("/status?district=d1", headers=viewer)
        elsewhere = await http.get("/status?district=d2", headers=viewer)
        refused = await http.post("/republish?district=d1", headers=viewer)
        marked = await http.post("/republish?district=d1", headers=admin)

    assert [nobody.status_code, elsewhere.status_code, refused.status_code] == [401, 404, 403]
    assert status.json()["objects"]["user"] == {"active": 3, "tobedeleted": 0, "hidden": 0}
    assert (marked.status_code, marked.json()["marked"]) == (202, 4)

    async def again() -> bool:
        return [one.origin for one in await log.emitted("person.v1")].count("republish") == 3

    await eventually(again, what="every state again")


async def test_operators_see_what_a_vendor_has_of_a_person(
    log: Publishing, service: Program
) -> None:
    await write(log, WORLD)
    now = SystemClock().now()
    token = mint(PRIVATE_KEY, subject="test", role="viewer", districts=["d1"], now=now)
    at, viewer = "/vendors/demo-vendor/people", {"Authorization": f"Bearer {token}"}

    async with httpx2.AsyncClient(base_url=service.url, timeout=10) as http:

        async def known() -> dict[str, Any] | None:
            answer = await http.get(f"{at}/u000?district=d1", headers=viewer)
            found: dict[str, Any] = answer.json()
            # The client is made by a loop of its own.
            return found if len(found.get("records", ())) == 3 else None

        found = await eventually(known, what="the person is known")
        nobody = await http.get(f"{at}/u000?district=d1")
        elsewhere = await http.get(f"{at}/u000?district=d2", headers=viewer)
        unknown = await http.get("/vendors/else/people/u000?district=d1", headers=viewer)
        unseen = await http.get(f"{at}/u%2F9?district=d1", headers=viewer)

    assert [one.status_code for one in (nobody, elsewhere, unknown)] == [401, 404, 404]
    assert unknown.json()["code"] == "vendor_unknown"
    assert (unseen.json()["personId"], unseen.json()["records"]) == ("u/9", [])
    assert found["agreement"] == {
        "reference": None,
        "purpose": None,
        "ends": None,
        "inForce": True,
    }
    assert [(one["kind"], one["state"]) for one in found["records"]] == [
        ("user", "active"),
        ("enrollment", "active"),
        ("class", "active"),
    ]
    assert {"name": "familyName", "transform": None} in found["records"][0]["fields"]


@pytest.mark.parametrize(
    "failpoint",
    [
        "publisher.apply.before_commit",
        "publisher.apply.after_commit",
        "publisher.derive.before_commit",
        "publisher.derive.after_commit",
    ],
)
async def test_a_crash_loses_and_repeats_nothing(
    log: Publishing, publisher_url: str, tmp_path: Path, failpoint: str
) -> None:
    await write(log, WORLD)
    hit = tmp_path / "hit"
    doomed = start_program(
        "roster_publisher",
        folder=tmp_path,
        env=environment(publisher_url)
        | {"HOMEROOM_FAILPOINT": failpoint, "HOMEROOM_FAILPOINT_FILE": str(hit)},
    )
    code = await asyncio.to_thread(doomed.wait_for_exit)
    assert (code, hit.exists()) == (-9, True)

    program = start_service("roster_publisher", folder=tmp_path, env=environment(publisher_url))
    try:

        async def first() -> bool:
            return await settled(log, 3)

        async def second() -> bool:
            return await settled(log, 4)

        await eventually(first, within_s=20, what="states after the crash")
        await write(log, [("user", user("late"))])
        await eventually(second, within_s=20, what="states of what came later")
    finally:
        program.kill()

    revisions = await log.rows("SELECT DISTINCT revision FROM roster_publisher.object")
    assert sorted(row["revision"] for row in revisions) == [1, 2]
    assert await log.rows("SELECT 1 FROM roster_publisher.object_history") == []
    joined = [one.data["personId"] for one in await log.emitted("joined.v1")]
    assert sorted(joined) == ["late", "u000", "u001", "u002"]
    people = [one.data["personId"] for one in await log.emitted("person.v1")]
    assert sorted(people) == ["late", "u000", "u001", "u002"]


@pytest.mark.parametrize(
    "failpoint", ["publisher.names.before_commit", "publisher.names.after_commit"]
)
async def test_a_crash_around_a_name_publishes_it_once_and_every_copy_can_be_traced(
    log: Publishing, publisher_url: str, tmp_path: Path, failpoint: str
) -> None:
    await log.publish(*WORLD, correlation_id="delivery-0")
    await log.derive()
    states = await log.emitted("person.v1")
    await write_name(log, "u000", "ada")
    hit = tmp_path / "hit"
    doomed = start_program(
        "roster_publisher",
        folder=tmp_path,
        env=environment(publisher_url)
        | {"HOMEROOM_FAILPOINT": failpoint, "HOMEROOM_FAILPOINT_FILE": str(hit)},
    )
    code = await asyncio.to_thread(doomed.wait_for_exit)
    assert (code, hit.exists()) == (-9, True)

    program = start_service("roster_publisher", folder=tmp_path, env=environment(publisher_url))
    try:
        token = mint(
            PRIVATE_KEY,
            subject="test",
            role="viewer",
            districts=["d1"],
            now=SystemClock().now(),
        )
        viewer = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=program.url, timeout=30, headers=viewer) as http:

            async def traced() -> list[dict[str, object]]:
                steps: list[dict[str, object]] = (await http.get("/trace/delivery-1")).json()[
                    "steps"
                ]
                return steps

            (step,) = await eventually(traced, within_s=20, what="the step of the name")
            copies = (await http.get("/trace/people/u000")).json()["copies"]
            nobody = await http.get("/trace/delivery-1", headers={"Authorization": ""})
    finally:
        program.kill()

    assert (step["what"], step["count"], step["ids"]) == (
        "names.taken_over",
        1,
        {"revision": "2", "user": "u000"},
    )
    found = [(c["kind"], c["where"], c["state"], c["correlationId"]) for c in copies]
    assert found == [
        ("user", "roster", "active", "delivery-1"),
        ("person_state", "roster.state", "active", "delivery-0"),
        ("allocated_names", "scim", "held", "delivery-1"),
    ]
    assert nobody.status_code == 401
    assert "ada" not in str(copies)
    assert len(await log.rows("SELECT 1 FROM roster_publisher.object_history")) == 1
    assert await log.emitted("person.v1") == states


async def test_it_refuses_to_serve_before_its_migrations(database_url: str, tmp_path: Path) -> None:
    program = start_program("roster_publisher", folder=tmp_path, env=environment(database_url))

    code = await asyncio.to_thread(program.wait_for_exit)

    assert code == 1
    assert "migrations are pending" in program.log()
