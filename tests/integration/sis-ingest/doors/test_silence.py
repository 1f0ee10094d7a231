"""Silence by the way: what nobody approved is not taken away by something else that is done."""

import httpx2
import pytest

from tests.support.eventually import eventually
from tests.support.flipping import flipped, look, settled
from tests.support.holding import decide, holds, only_hold
from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import district, enrollment, enrollment_row, keyed_row, user


async def school(ingest: Ingest, *ids: str) -> None:
    """Schools of `sis`."""
    for one in ids:
        data = {"sourcedId": one, "name": one, "type": "school", "identifier": f"{one}-9"}
        await ingest.send("orgs.upserted", data)
    await ingest.settled()


async def move(ingest: Ingest, count: int, to: str, *, at: int = 3605) -> None:
    """`sis` says that its first people are in another school."""
    for number in range(count):
        who = {**user(f"s-{number}", org=to), "identifier": f"no-{number}"}
        await ingest.send("users.upserted", who, at=at)
    await ingest.settled()


async def merge(ingest: Ingest, keep: str, gone: str) -> httpx2.Response:
    return await ingest.http.post(
        "/crosswalk/merge",
        json={"district": "d1", "entity": "org", "keep": keep, "merge": gone},
        headers=token("approver"),
    )


async def two_sources(ingest: Ingest, people: int) -> None:
    """`sis` has the district and these people, `sis-2` the school sch-B, where nobody is."""
    rows = [keyed_row(f"s-{n}", f"no-{n}") for n in range(people)]
    await ingest.load(district(rows, [enrollment_row("e-0", "s-0")]))
    await flipped(ingest, "sis")
    await school(ingest, "sch-B", "sch-X", "sch-Y")
    await flipped(ingest, "sis-2", school="sch-B")


@pytest.mark.parametrize("decision", ["reject", None])
async def test_a_merge_of_other_schools_silences_nobody_that_was_held(
    ingest: Ingest, decision: str | None
) -> None:
    await two_sources(ingest, 100)
    await move(ingest, 80, "sch-B")
    before = await ingest.people()
    hold = await only_hold(ingest)
    if decision is not None:
        assert (await decide(ingest, hold, decision)).status_code == 200
    answer = await merge(ingest, "sch-X", "sch-Y")
    assert answer.status_code == 200, answer.text
    await waits_again(ingest, hold["holdId"])

    assert await ingest.people() == before
    new = await only_hold(ingest)
    assert (new["count"], new["holdId"] == hold["holdId"]) == (55, False)


async def test_few_who_were_refused_are_not_silenced_by_a_merge_either(ingest: Ingest) -> None:
    await two_sources(ingest, 100)
    await move(ingest, 28, "sch-B")
    hold = await only_hold(ingest)
    await decide(ingest, hold, "reject")
    before = await ingest.people()
    await merge(ingest, "sch-X", "sch-Y")
    await waits_again(ingest, hold["holdId"])

    assert await ingest.people() == before
    assert (await only_hold(ingest))["count"] == 3


async def waits_again(ingest: Ingest, hold_id: str) -> None:
    async def again() -> bool:
        flip = (await look(ingest))["flip"]
        return flip is not None and flip["holdId"] not in (None, hold_id)

    await eventually(again, within_s=20, what="what would fall silent waits for a person")


async def test_an_approved_silence_gives_authority_to_nobody(ingest: Ingest) -> None:
    """Both wait: a flip of the district to sis-2, and silence that sis made before it is done."""
    await two_sources(ingest, 100)
    for number in range(100):
        who = {**user(f"n-{number}"), "identifier": f"no-{number}"}
        await ingest.send("users.upserted", who, source="sis-2")
    await ingest.settled()
    flip = await flipped(ingest, "sis-2")
    assert flip["state"] == "held"
    await move(ingest, 30, "sch-B")
    ordered = sorted((await holds(ingest))["holds"], key=lambda one: one["createdAt"])
    for hold in ordered:
        for who in ("ada", "bea"):
            await decide(ingest, hold, "approve", who=who, itemsHash=hold["itemsHash"])
        await settled(ingest)

    async def done() -> bool:
        return (await look(ingest))["flip"] is None

    await eventually(done, within_s=20, what="all flips are done")
    assert (await look(ingest))["default"]["source"] == "sis-2"


async def test_much_of_a_small_entity_needs_two_people_beside_little_of_a_large_one(
    ingest: Ingest,
) -> None:
    people = [keyed_row(f"s-{n}", f"no-{n}") for n in range(80)]
    enrolled = [enrollment_row(f"e-{n}-{m}", f"s-{n}") for n in range(80) for m in range(10)]
    await ingest.load(district(people, enrolled))
    await flipped(ingest, "sis")
    await school(ingest, "sch-B")
    await flipped(ingest, "sis-2", school="sch-B")
    await move(ingest, 60, "sch-B")
    assert (await only_hold(ingest))["approvalsNeeded"] == 2
    for number in range(230):
        row = enrollment(f"e-{number // 10}-{number % 10}", user_id=f"s-{number // 10}")
        data = {**row, "school": {"sourcedId": "sch-B"}}
        await ingest.send("enrollments.upserted", data, at=3700)
    await ingest.settled()

    hold = await only_hold(ingest)
    assert hold["count"] > 35
    assert hold["approvalsNeeded"] == 2


async def test_a_school_recognised_late_silences_few_of_those_who_were_in_it(
    ingest: Ingest,
) -> None:
    """People of sis-2 are in a school that nobody knew; then it turns out to be one of sis."""
    await school(ingest, "sch-B")
    await flipped(ingest, "sis", school="sch-B")
    for number in range(60):
        who = {**user(f"p-{number}", org="there"), "identifier": f"no-{number}"}
        await ingest.send("users.upserted", who, source="sis-2")
    await ingest.settled()
    assert len(await ingest.people()) == 60

    data = {"sourcedId": "there", "name": "sch-B", "type": "school", "identifier": "sch-B-9"}
    await ingest.send("orgs.upserted", data, source="sis-2")
    await ingest.settled()

    async def weighed() -> bool:
        return not await ingest.value(
            "SELECT count(*) FROM sis_ingest.flip f WHERE begun_at IS NULL AND NOT EXISTS"
            " (SELECT FROM sis_ingest.hold h WHERE h.hold_id = f.flip_id)"
        )

    await eventually(weighed, within_s=20, what="everybody in the schools is asked again")
    assert len(await ingest.people()) == 35
    hold = await only_hold(ingest)
    assert (hold["count"], hold["operation"]) == (35, "remove")
    told = [event["data"] for event in await ingest.events("k12.roster.user.upserted%")]
    assert {one["record"]["roles"][0]["org"]["sourcedId"] for one in told[-35:]} == {"sch-B"}
    for who_approves in ("ada", "bea"):
        await decide(ingest, hold, "approve", who=who_approves, itemsHash=hold["itemsHash"])

    async def silent() -> bool:
        return not await ingest.people()

    await eventually(silent, within_s=20, what="what was approved is silent")


async def test_a_merge_of_schools_of_two_sources_is_refused(ingest: Ingest) -> None:
    """The people of sch-B would be in a school where their source may not speak."""
    await two_sources(ingest, 100)
    for number in range(90):
        who = {**user(f"p-{number}", org="sch-B"), "identifier": f"p{number}"}
        await ingest.send("users.upserted", who, source="sis-2")
    await ingest.settled()
    before = await ingest.people()
    answer = await merge(ingest, "sch-X", "sch-B")

    assert (answer.status_code, answer.json()["code"]) == (409, "authority_differs")
    assert await ingest.people() == before


async def test_a_merge_that_would_silence_many_is_refused_with_their_number(
    ingest: Ingest,
) -> None:
    await two_sources(ingest, 100)
    await move(ingest, 90, "sch-X")
    before = await ingest.people()
    answer = await merge(ingest, "sch-B", "sch-X")

    assert (answer.status_code, answer.json()["code"]) == (409, "would_silence")
    assert "90 user" in answer.json()["detail"]
    assert await ingest.people() == before
