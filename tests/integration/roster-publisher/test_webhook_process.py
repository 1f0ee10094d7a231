"""The service tells vendors by itself: kills, doors for operators, and vendors that are down."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from roster_common.runtime.clock import SystemClock
from roster_common.runtime.database import Database
from roster_common.runtime.tokens import mint, new_keypair
from tests.support.eventually import eventually
from tests.support.feed_reader import FeedReader, full_pull
from tests.support.oneroster_records import enrollment, school_world, user
from tests.support.processes import Program, start_program, start_service
from tests.support.publishing import Publishing
from tests.support.webhook_receiver import Receiver, start_receiver

BASE_PATH = "/ims/oneroster/rostering/v1p2"
SCOPES = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
SECRET = "whsec_" + "c2Vj" * 8
WORLD = [*school_world(users=3), ("enrollment", enrollment("e1", user="u000"))]
PRIVATE_KEY, PUBLIC_KEY = new_keypair()
# A bound for a busy machine, not what is expected.
WITHIN_S = 40.0


def client(name: str, url: str, **more: Any) -> dict[str, Any]:
    """A vendor with a webhook, as settings name it."""
    return {
        "id": name,
        "secret": "a-secret-of-a-vendor",
        "district": "d1",
        "scopes": [f"{SCOPES}roster.readonly", f"{SCOPES}roster-demographics.readonly"],
        "webhook": {"url": url, "secrets": [SECRET]},
    } | more


def environment(url: str, *clients: dict[str, Any]) -> dict[str, str]:
    """What the service is told; calls end soon, and so do the claims of a dead process."""
    return {
        "HOMEROOM_DATABASE_URL": url,
        "HOMEROOM_ENVIRONMENT": "test",
        "HOMEROOM_CLIENTS": json.dumps(clients),
        "HOMEROOM_PUBLIC_URL": "http://roster.test",
        "HOMEROOM_WEBHOOK_NETWORKS": '["127.0.0.0/8"]',
        "HOMEROOM_WEBHOOK_TIMEOUT_SECONDS": "3",
        "HOMEROOM_OPERATOR_PUBLIC_KEY": PUBLIC_KEY,
    }


@pytest.fixture
async def house(publisher_url: str) -> AsyncIterator[Publishing]:
    """The tables, written to from outside."""
    database = Database(publisher_url, name="test", pool_size=3)
    house = Publishing(database=database)
    house.clock.advance((SystemClock().now() - house.clock.now()).total_seconds())
    yield house
    await house.reads.close()
    await database.close()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """A vendor's process."""
    started = start_receiver(tmp_path / "receiver", SECRET)
    yield started
    started.kill()


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    """Killed at the end."""
    started: list[Program] = []
    yield started
    for program in started:
        program.kill()


def operator(role: Any) -> dict[str, str]:
    """An operator's header."""
    now = SystemClock().now()
    token = mint(PRIVATE_KEY, subject="test", role=role, districts=["d1"], now=now)
    return {"Authorization": f"Bearer {token}"}


def told(receiver: Receiver) -> set[str]:
    """Ids of what the receiver took."""
    return {one["sourcedId"] for one in receiver.changes()}


def given_names(receiver: Receiver) -> list[str]:
    """Of those it was told of, as they were told."""
    return [one["data"].get("givenName") for one in receiver.changes()]


async def test_the_service_tells_what_it_publishes(
    house: Publishing,
    publisher_url: str,
    tmp_path: Path,
    receiver: Receiver,
    programs: list[Program],
) -> None:
    settings = environment(publisher_url, client("vendor", receiver.url))
    programs.append(start_service("roster_publisher", folder=tmp_path, env=settings))
    await house.publish(*WORLD, origin="firstload")
    await eventually(lambda: "e1" in told(receiver), within_s=WITHIN_S, what="the world")
    await eventually(
        lambda: receiver.calls()[-1]["body"]["type"] == "sync.completed",
        within_s=WITHIN_S,
        what="its end",
    )
    await house.publish(("user", "u002"))
    await eventually(
        lambda: receiver.changes()[-1]["sourcedId"] == "u002", within_s=WITHIN_S, what="a deletion"
    )

    async with httpx2.AsyncClient(base_url=programs[0].url, timeout=30) as http:
        answer = await http.post(
            "/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=("vendor", "a-secret-of-a-vendor"),
        )
        http.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        reader, copy = FeedReader(http), FeedReader(http)
        await reader.poll(limit=3)
    for one in receiver.changes():
        copy.take(one)
    assert reader.rows == copy.rows
    assert all(call["signers"] == [0] for call in receiver.calls())
    ref = copy.rows["enrollments"]["e1"]["user"]
    assert ref["href"] == f"http://roster.test{BASE_PATH}/users/u000"


@pytest.mark.parametrize(
    ("failpoint", "sent_before"),
    [
        ("publisher.push.before_send", False),
        ("publisher.push.after_send", True),
        ("publisher.push.after_commit", True),
    ],
)
async def test_a_crash_around_a_call_loses_nothing_and_repeats_it_under_its_id(
    house: Publishing,
    publisher_url: str,
    tmp_path: Path,
    receiver: Receiver,
    programs: list[Program],
    failpoint: str,
    *,
    sent_before: bool,
) -> None:
    await house.publish(*WORLD)
    hit = tmp_path / "hit"
    settings = environment(publisher_url, client("vendor", receiver.url))
    doomed = start_program(
        "roster_publisher",
        folder=tmp_path,
        env=settings | {"HOMEROOM_FAILPOINT": failpoint, "HOMEROOM_FAILPOINT_FILE": str(hit)},
    )
    code = await asyncio.to_thread(doomed.wait_for_exit)
    assert (code, hit.exists()) == (-9, True)
    before = receiver.calls()
    assert bool(before) == sent_before

    programs.append(start_service("roster_publisher", folder=tmp_path, env=settings))
    await house.publish(("user", user("late")))
    await eventually(lambda: "late" in told(receiver), within_s=WITHIN_S, what="all of it")

    ids = [call["id"] for call in receiver.calls()]
    if failpoint.endswith("after_send"):
        assert ids[0] == ids[1]
    if failpoint.endswith("after_commit"):
        assert ids.count(ids[0]) == 1
    async with house.vendor("reader") as http:
        whole = await full_pull(http)
    assert told(receiver) == {one for rows in whole.values() for one in rows}


async def test_a_vendor_that_hangs_delays_only_itself(
    house: Publishing,
    publisher_url: str,
    tmp_path: Path,
    receiver: Receiver,
    programs: list[Program],
) -> None:
    stuck = start_receiver(tmp_path / "stuck", SECRET)
    stuck.behave("hang")
    clients = [client("vendor", receiver.url), client("stuck", stuck.url)]
    settings = environment(publisher_url, *clients) | {"HOMEROOM_WEBHOOK_TIMEOUT_SECONDS": "60"}
    try:
        programs.append(start_service("roster_publisher", folder=tmp_path, env=settings))
        await house.publish(*WORLD)
        await eventually(stuck.calls, within_s=WITHIN_S, what="a call that hangs")
        for name in ("Bob", "Cy", "Di"):
            await house.publish(("user", user("u000", givenName=name)))
            await eventually(
                lambda name=name: name in given_names(receiver),  # type: ignore[misc]
                within_s=WITHIN_S,
                what="a change for the other",
            )
        assert len(stuck.calls()) == 1
    finally:
        stuck.kill()


async def test_operators_see_where_a_webhook_stands_and_tell_it_again(
    house: Publishing,
    publisher_url: str,
    tmp_path: Path,
    receiver: Receiver,
    programs: list[Program],
) -> None:
    receiver.behave("500")
    narrow = {"url": receiver.url, "secrets": [SECRET], "events": ["users.*"]}
    settings = environment(publisher_url, client("vendor", receiver.url, webhook=narrow))
    # What is shown is the status that it answers, however long a busy machine takes for it.
    settings["HOMEROOM_WEBHOOK_TIMEOUT_SECONDS"] = "20"
    programs.append(start_service("roster_publisher", folder=tmp_path, env=settings))
    await house.publish(*WORLD)
    headers = {role: operator(role) for role in ("viewer", "admin")}
    async with httpx2.AsyncClient(base_url=programs[0].url, timeout=30) as http:

        async def standing() -> dict[str, Any]:
            answer = await http.get("/webhooks?district=d1", headers=headers["viewer"])
            (found,) = answer.json()["webhooks"]
            assert isinstance(found, dict)
            return found

        async def failing() -> bool:
            return (await standing())["failures"] > 0

        await eventually(failing, within_s=WITHIN_S, what="a failure")
        shown = await standing()
        receiver.behave("ok")

        async def sound() -> bool:
            return (await standing())["state"] == "active"

        await eventually(sound, within_s=WITHIN_S, what="a call that is taken")
        before = len(receiver.calls())
        place = "/webhooks/vendor/replay?district=d1"
        answers = [
            await http.get("/webhooks?district=d1"),
            await http.get("/webhooks?district=d2", headers=headers["viewer"]),
            await http.post(place, json={}, headers=headers["viewer"]),
            await http.post(place, json={"after": "x"}, headers=headers["admin"]),
            await http.post(
                "/webhooks/nobody/replay?district=d1", json={}, headers=headers["admin"]
            ),
        ]
        again = await http.post(place, json={"after": None}, headers=headers["admin"])
        await eventually(
            lambda: len(receiver.calls()) > before, within_s=WITHIN_S, what="the same again"
        )

    assert (shown["client"], shown["state"], shown["reason"], shown["events"]) == (
        "vendor",
        "failing",
        "status_500",
        ["users.*"],
    )
    assert SECRET not in json.dumps(shown)
    assert receiver.url not in json.dumps(shown)
    assert [one.status_code for one in answers] == [401, 404, 403, 400, 404]
    assert (again.status_code, again.json()["cursor"]) == (202, None)
