"""Authority through the doors: who is silent, what a flip foretells, when it waits, who may ask."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.eventually import eventually
from tests.support.flipping import STATE, flipped, look, one_school, put, say, settled
from tests.support.holding import decide, only_hold
from tests.support.ingest_service import Ingest, running_ingest, token
from tests.support.ingesting import district, enrollment_row, keyed_row, user


def listed(prefix: str, count: int) -> bytes:
    """A package of people with the same numbers under ids of their own, and one enrollment."""
    people = [keyed_row(f"{prefix}{n}", f"no-{n}") for n in range(count)]
    return district(people, [enrollment_row(f"{prefix}e", f"{prefix}0")])


async def record_events(ingest: Ingest) -> list[tuple[str, str]]:
    found = await ingest.events("k12.roster.%")
    return [
        (e["type"].removeprefix("roster.").removesuffix(".v1"), e["data"].get("reason", ""))
        for e in found
    ]


async def test_a_source_without_authority_is_silent_and_counted(ingest: Ingest) -> None:
    await one_school(ingest, "sis", "sis-2")
    await flipped(ingest, "sis")
    before = len(await ingest.events())
    await say(ingest, "sis-2", 1, "Bea")
    await ingest.settled()

    assert await ingest.people() == {}
    assert len(await ingest.events()) == before
    page = await look(ingest)
    assert page["silent"] == {"sis-2": {"user": 1}}
    assert [(one["school"], one["source"], one["own"]) for one in page["schools"]] == [
        ("school-1", "sis", False)
    ]
    copies = await ingest.http.get("/trace/people/sis-2-1", headers=token("viewer"))
    assert [(c["where"], c["state"]) for c in copies.json()["copies"]] == [
        ("sis-2", "active"), ("resolved", "silent"),
    ]  # fmt: skip
    again = await ingest.http.post("/republish", params={"district": "d1"}, headers=token("admin"))
    assert again.json()["deleted"] == 0


async def test_who_is_silent_is_recognised_all_the_same(ingest: Ingest) -> None:
    await one_school(ingest, "sis", "sis-2")
    await flipped(ingest, "sis")
    await say(ingest, "sis-2", 1, "Bea")
    await ingest.settled()
    await say(ingest, "sis", 1, "Ada")
    await ingest.settled()

    assert await ingest.people() == {"sis-2-1": "Ada"}


async def test_what_a_silent_source_takes_away_stays(ingest: Ingest) -> None:
    await one_school(ingest, "sis", "sis-2")
    await flipped(ingest, "sis")
    await say(ingest, "sis-2", 1, "Bea")
    await say(ingest, "sis", 1, "Ada")
    await ingest.settled()
    await ingest.send("users.deleted", {"sourcedId": "sis-2-1"}, source="sis-2", at=5)
    await ingest.settled()

    assert list((await ingest.people()).values()) == ["Ada"]


async def test_what_the_authority_takes_away_is_gone_though_the_other_has_it(
    ingest: Ingest,
) -> None:
    await one_school(ingest, "sis", "sis-2")
    await flipped(ingest, "sis")
    await say(ingest, "sis", 1, "Ada")
    await say(ingest, "sis-2", 1, "Bea")
    await ingest.settled()
    await ingest.send("users.deleted", {"sourcedId": "sis-1"}, at=5)
    await ingest.settled()

    assert await ingest.people() == {}
    assert (await record_events(ingest))[-1] == ("user.tobedeleted", "source_deleted")


async def test_a_small_flip_is_foretold_done_and_taken_back(ingest: Ingest) -> None:
    await one_school(ingest, "sis", "sis-2")
    for number in (1, 2):
        await say(ingest, "sis", number, "Ada")
        await ingest.settled()
    await say(ingest, "sis-2", 1, "Bea")
    await say(ingest, "sis-2", 3, "Cyd")
    await ingest.settled()
    await flipped(ingest, "sis")
    assert await ingest.people() == {"sis-1": "Ada", "sis-2": "Ada"}
    before = len(await ingest.events())

    plan = (await put(ingest, "sis-2", school="school-1", dryRun=True)).json()
    assert plan["state"] == "planned"
    assert plan["differences"]["user"] == {
        "population": 2, "keyChange": 1, "add": 1, "change": 1, "remove": 1,
        "sample": {"add": ["sis-2-3"], "change": ["sis-1"], "remove": ["sis-2"]},
    }  # fmt: skip
    assert len(await ingest.events()) == before

    done = await flipped(ingest, "sis-2", school="school-1")
    assert (done["state"], done["itemsHash"]) == ("under_way", plan["itemsHash"])
    assert await ingest.people() == {"sis-1": "Bea", "sis-2-3": "Cyd"}
    told = (await ingest.events())[before:]
    assert {(e["origin"], e["correlation"]) for e in told} == {("operator", done["correlationId"])}
    assert [e["data"]["reason"] for e in told if "tobedeleted" in e["type"]] == ["no_authority"]
    assert (await flipped(ingest, "sis-2", school="school-1"))["state"] == "unchanged"
    assert len(await ingest.events()) == before + len(told)

    await flipped(ingest, None, school="school-1")
    assert await ingest.people() == {"sis-1": "Ada", "sis-2": "Ada"}


async def held_flip(ingest: Ingest) -> dict[str, Any]:
    """30 of 40 people would go, and 2 come."""
    await one_school(ingest, "sis", "sis-2")
    await flipped(ingest, "sis")
    await ingest.load(listed("a", 40))
    for number in (*range(10), 98, 99):
        who = {**user(f"b{number}"), "identifier": f"no-{number}"}
        await ingest.send("users.upserted", who, source="sis-2")
    await ingest.settled()
    return await flipped(ingest, "sis-2", school="school-1")


async def test_a_flip_over_the_limit_waits_for_two_people(ingest: Ingest) -> None:
    answer = await held_flip(ingest)
    before = await ingest.people()

    assert (answer["state"], "user.remove" in answer["stopped"]) == ("held", True)
    hold = await only_hold(ingest)
    assert {name: hold[name] for name in ("holdId", "source", "operation", "entity", "count")} == {
        "holdId": answer["holdId"], "source": "authority:school-1", "operation": "remove",
        "entity": "user", "count": 30,
    }  # fmt: skip
    assert (hold["population"], hold["approvalsNeeded"]) == (40, 2)
    assert hold["itemsHash"] == answer["itemsHash"]
    url = f"/holds/{hold['holdId']}/items"
    items = (await ingest.http.get(url, headers=token("viewer"))).json()
    order = hold["flip"]
    assert (order["school"], order["from"], order["to"]) == ("school-1", "sis", "sis-2")
    assert order["counts"]["remove"]["user"] == 30
    assert order["total"] == items["total"] == len(items["items"])
    assert {"id": "a39", "action": "remove", "entity": "user"} in items["items"]
    assert (await look(ingest))["flip"]["holdId"] == hold["holdId"]
    assert (await flipped(ingest, "sis-2", school="school-1"))["holdId"] == hold["holdId"]
    assert (await put(ingest, "sis-2")).json()["code"] == "flip_waits"

    for who, people in (("ada", before), ("bea", None)):
        decided = await decide(ingest, hold, "approve", who=who, itemsHash=hold["itemsHash"])
        assert decided.status_code == 200
        if people is not None:
            assert await ingest.people() == people
    await settled(ingest)

    async def passed() -> bool:
        return len(await ingest.people()) == 12

    await eventually(passed, within_s=20, what="the flip is done")
    await settled(ingest)
    page = await ingest.http.get(f"/holds/{hold['holdId']}", headers=token("viewer"))
    assert (page.json()["state"], page.json()["released"]) == ("approved", 30)
    assert (await look(ingest))["schools"][0]["source"] == "sis-2"


async def test_a_flip_that_is_rejected_leaves_everything_as_it_is(ingest: Ingest) -> None:
    await held_flip(ingest)
    before = await ingest.people()
    hold = await only_hold(ingest)
    answer = await decide(ingest, hold, "reject", reason="wrong_school")

    assert answer.status_code == 200
    page = await look(ingest)
    assert (page["flip"], page["schools"][0]["own"]) == (None, False)
    assert await ingest.people() == before


async def test_what_came_since_the_approval_waits_again(ingest: Ingest) -> None:
    await held_flip(ingest)
    hold = await only_hold(ingest)
    await decide(ingest, hold, "approve", who="ada", itemsHash=hold["itemsHash"])
    for number in range(200, 230):
        await say(ingest, "sis", number, "Ada")
    await ingest.settled()
    before = await ingest.people()
    await decide(ingest, hold, "approve", who="bea", itemsHash=hold["itemsHash"])

    async def again() -> bool:
        return (await look(ingest))["flip"]["holdId"] not in (None, hold["holdId"])

    await eventually(again, within_s=20, what="a new hold stands")
    assert await ingest.people() == before
    new = await only_hold(ingest)
    assert (new["count"], new["approvals"]) == (60, [])


async def test_few_who_came_since_the_approval_go_along_and_are_paid_for(ingest: Ingest) -> None:
    await held_flip(ingest)
    hold = await only_hold(ingest)
    for number in range(200, 220):
        await say(ingest, "sis", number, "Ada")
    await ingest.settled()
    for who in ("ada", "bea"):
        await decide(ingest, hold, "approve", who=who, itemsHash=hold["itemsHash"])

    async def passed() -> bool:
        return (await look(ingest))["schools"][0]["own"] is True

    await eventually(passed, within_s=20, what="the flip has begun")
    await settled(ingest)
    spent = await ingest.value(
        "SELECT sum(count)::int FROM sis_ingest.spent WHERE source_id = 'authority:'"
        " AND entity = 'user' AND operation = 'remove'"
    )
    assert spent == 20


async def test_a_source_that_moves_everybody_to_a_school_not_its_own_silences_few(
    ingest: Ingest,
) -> None:
    await one_school(ingest, "sis", "sis-2")
    annex = {"sourcedId": "annex", "name": "Annex", "type": "school", "identifier": "2"}
    await ingest.send("orgs.upserted", annex)
    for number in range(40):
        who = {**user(f"a{number}", org="annex"), STATE: f"S{number}"}
        await ingest.send("users.upserted", who)
    await ingest.settled()
    await flipped(ingest, "sis")
    await flipped(ingest, "sis-2", school="school-1")
    for number in range(40):
        await ingest.send("users.upserted", {**user(f"a{number}"), STATE: f"S{number}"}, at=5)
    await ingest.settled()

    assert len(await ingest.people()) == 15
    hold = await only_hold(ingest)
    assert (hold["entity"], hold["operation"], hold["count"]) == ("user", "remove", 15)
    for who in ("ada", "bea"):
        await decide(ingest, hold, "approve", who=who, itemsHash=hold["itemsHash"])

    async def silent() -> bool:
        return not await ingest.people()

    await eventually(silent, within_s=20, what="what was approved is silent")
    await settled(ingest)
    assert (await look(ingest))["flip"] is None


async def test_when_schools_become_one_everybody_in_them_is_asked_again(ingest: Ingest) -> None:
    await one_school(ingest, "sis", "sis-2")
    await flipped(ingest, "sis")
    await flipped(ingest, "sis-2", school="school-1")
    await say(ingest, "sis", 1, "Ada")
    annex = {"sourcedId": "annex", "name": "Annex", "type": "school", "identifier": "2"}
    await ingest.send("orgs.upserted", annex, source="sis-2")
    who = {**user("b2", given="Bea", org="annex"), STATE: "S2"}
    await ingest.send("users.upserted", who, source="sis-2")
    await ingest.settled()
    assert await ingest.people() == {}

    answer = await ingest.http.post(
        "/crosswalk/merge",
        json={"district": "d1", "entity": "org", "keep": "school-1", "merge": "annex"},
        headers=token("approver"),
    )
    assert answer.status_code == 200, answer.text
    await settled(ingest)

    assert await ingest.people() == {"b2": "Bea"}


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"source": "nobody"}, 404, "source"),
        ({"source": "elsewhere"}, 404, "source"),
        ({"source": "sis", "school": "nowhere"}, 404, "school"),
    ],
)
async def test_a_wrong_order_is_refused_by_field(
    ingest: Ingest, body: dict[str, str], status: int, field: str
) -> None:
    answer = await ingest.http.put(
        "/authority", json={"district": "d1", **body}, headers=token("approver")
    )

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field)
    assert await ingest.value("SELECT count(*) FROM sis_ingest.authority") == 0


@pytest.mark.parametrize(
    ("role", "districts", "status"), [("operator", "*", 403), ("approver", ["d2"], 404)]
)
async def test_only_an_approver_of_the_district_may_flip(
    ingest: Ingest, role: str, districts: Any, status: int
) -> None:
    answer = await ingest.http.put(
        "/authority",
        json={"district": "d1", "source": "sis"},
        headers=token(role, districts),
    )

    assert answer.status_code == status


async def test_a_flip_does_what_was_shown_or_nothing(ingest: Ingest) -> None:
    await one_school(ingest, "sis", "sis-2")
    await flipped(ingest, "sis")
    await say(ingest, "sis", 1, "Ada")
    await ingest.settled()
    plan = (await put(ingest, "sis-2", school="school-1", dryRun=True)).json()
    await say(ingest, "sis", 2, "Bea")
    await ingest.settled()
    body = {"district": "d1", "school": "school-1", "source": "sis-2"}
    answer = await ingest.http.put(
        "/authority", json={**body, "itemsHash": plan["itemsHash"]}, headers=token("approver")
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "hash_differs")
    assert not (await look(ingest))["schools"][0]["own"]


async def test_how_far_a_weighing_is_can_be_seen_while_it_goes_on(
    ingest_url: str, tmp_path: Path
) -> None:
    patient = {"lock_timeout_s": 300, "statement_timeout_s": 300}
    async with running_ingest(ingest_url, tmp_path, **patient) as ingest:
        await ingest.load(listed("a", 3))
        records = await ingest.value("SELECT count(*) FROM sis_ingest.resolved_record")

        async def weighing() -> Any:
            query = {"district": "d1"}
            answer = await ingest.http.get(
                "/authority/weighing", params=query, headers=token("viewer")
            )
            return answer.json()["weighing"]

        assert await weighing() is None
        async with ingest.pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE sis_ingest.source_record")
            order = asyncio.ensure_future(put(ingest, "sis", dryRun=True))
            assert await eventually(weighing) == {"read": 0, "of": records}

        assert (await order).json()["state"] == "planned"
        assert await weighing() is None
        foreign = await ingest.http.get(
            "/authority/weighing", params={"district": "d1"}, headers=token("viewer", ["d2"])
        )
        assert foreign.status_code == 404
