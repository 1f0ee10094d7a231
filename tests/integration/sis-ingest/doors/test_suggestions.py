"""Two of our ids that may be one are suggested to a person, and nothing is merged without one."""

from typing import Any

import pytest

from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import user

STATE, LOCAL = "userMasterIdentifier", "identifier"


async def page(ingest: Ingest, state: str = "open", **query: Any) -> list[dict[str, Any]]:
    answer = await ingest.http.get(
        "/crosswalk/suggestions",
        params={"district": "d1", "state": state, **query},
        headers=token("viewer"),
    )
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["suggestions"]
    return found


async def say(ingest: Ingest, which: dict[str, Any], verb: str, body: Any = None, **query: Any):
    return await ingest.http.post(
        f"/crosswalk/suggestions/{which['suggestionId']}/{verb}",
        params=query,
        json=body,
        headers=token("approver"),
    )


async def born(ingest: Ingest, who: str, day: str, *, source: str = "sis", at: int = 1) -> None:
    await ingest.send(
        "demographics.upserted", {"sourcedId": who, "birthDate": day}, source=source, at=at
    )


async def twice(ingest: Ingest) -> dict[str, Any]:
    """One child under two names that are alike, and the suggestion."""
    await ingest.send("users.upserted", {**user("a", given="Zoë"), "familyName": "O'Brien"})
    await born(ingest, "a", "2015-03-01")
    await ingest.send("users.upserted", {**user("b", given="ZOE"), "familyName": "Obrien"})
    await born(ingest, "b", "2015-03-01")
    await ingest.settled()
    (found,) = await page(ingest)
    return found


async def test_the_same_name_and_birth_date_only_suggest(ingest: Ingest) -> None:
    found = await twice(ingest)

    assert set(await ingest.people()) == {"a", "b"}
    assert {name: found[name] for name in ("id", "otherId", "matchRule", "score", "state")} == {
        "id": "a", "otherId": "b", "matchRule": "same_name_and_birth_date", "score": 50,
        "state": "open",
    }  # fmt: skip
    (event,) = await ingest.events("k12.identity.%")
    assert event["type"] == "identity.crosswalk.suggested.v1"
    assert event["data"] == {
        "suggestionId": found["suggestionId"], "entity": "user", "id": "a", "otherId": "b",
        "matchRule": "same_name_and_birth_date", "score": 50,
    }  # fmt: skip
    assert "Zo" not in str(found)


@pytest.mark.parametrize(
    ("other", "day"),
    [
        ({"givenName": "Bea"}, "2015-03-01"),
        ({}, "2015-03-02"),
        ({}, None),
        ({STATE: "S2"}, "2015-03-01"),
        ({"roles": [{"roleType": "primary", "role": "parent", "org": {"sourcedId": "s"}}]},
         "2015-03-01"),
    ],
    ids=["twin", "another_day", "unknown_day", "told_apart_by_the_state", "another_kind"],
)  # fmt: skip
async def test_who_differs_is_not_suggested(ingest: Ingest, other: Any, day: str | None) -> None:
    await ingest.send("users.upserted", {**user("a"), STATE: "S1"})
    await born(ingest, "a", "2015-03-01")
    await ingest.send("users.upserted", {**user("b"), **other})
    if day is not None:
        await born(ingest, "b", day)
    await ingest.settled()

    assert await page(ingest, "all") == []


async def test_a_birth_date_in_the_metadata_counts_too(ingest: Ingest) -> None:
    for who, source in (("a", "sis"), ("b", "sis-2")):
        child = {**user(who), "metadata": {"birthDate": "2015-03-01"}}
        await ingest.send("users.upserted", child, source=source)
    await ingest.settled()

    (found,) = await page(ingest)
    assert (found["id"], found["otherId"]) == ("a", "b")
    assert set(await ingest.people()) == {"a", "b"}


async def test_confirming_is_the_merge(ingest: Ingest) -> None:
    found = await twice(ingest)

    plan = await say(ingest, found, "confirm", dryRun=True)
    assert (set(await ingest.people()), await page(ingest)) == ({"a", "b"}, [found])
    done = await say(ingest, found, "confirm", {"itemsHash": plan.json()["itemsHash"]})

    assert done.status_code == 200, done.text
    assert plan.json()["touched"] == done.json()["touched"]
    assert set(await ingest.people()) == {"a"}
    (now,) = await page(ingest, "confirmed")
    assert (now["decidedBy"], await page(ingest)) == ("operator:test", [])
    kinds = [e["type"].split(".")[2] for e in await ingest.events("k12.identity.%")]
    assert kinds == ["suggested", "confirmed", "merged"]
    assert (await say(ingest, found, "confirm")).json()["code"] == "ended"
    assert (await say(ingest, found, "dismiss")).json()["code"] == "ended"
    # Taken back, the two are two, and nobody is asked again.
    undone = await ingest.http.post(
        "/crosswalk/undo",
        json={"decisionId": done.json()["decisionId"]},
        headers=token("approver"),
    )
    assert undone.status_code == 200
    assert set(await ingest.people()) == {"a", "b"}
    assert [one["state"] for one in await page(ingest, "all")] == ["dismissed"]


async def test_the_person_who_confirms_says_who_stays(ingest: Ingest) -> None:
    found = await twice(ingest)

    wrong = await say(ingest, found, "confirm", {"keep": "c"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "not_of_it")
    assert (await say(ingest, found, "confirm", {"keep": "b"})).status_code == 200
    assert set(await ingest.people()) == {"b"}


async def test_what_was_dismissed_is_not_suggested_again(ingest: Ingest) -> None:
    found = await twice(ingest)

    for _ in range(2):
        answer = await say(ingest, found, "dismiss")
        assert (answer.status_code, answer.json()["state"]) == (200, "dismissed")
    await born(ingest, "b", "2015-03-02", at=2)
    await ingest.settled()
    await born(ingest, "b", "2015-03-01", at=3)
    await ingest.settled()

    assert await page(ingest) == []
    assert set(await ingest.people()) == {"a", "b"}


async def test_a_merge_by_hand_answers_the_suggestion(ingest: Ingest) -> None:
    await twice(ingest)
    await ingest.http.post(
        "/crosswalk/merge",
        json={"district": "d1", "entity": "user", "keep": "b", "merge": "a"},
        headers=token("approver"),
    )

    assert await page(ingest) == []
    (now,) = await page(ingest, "confirmed")
    assert now["decidedBy"] == "operator:test"


async def test_a_suggestion_about_an_id_that_ended_is_about_who_stands_for_it(
    ingest: Ingest,
) -> None:
    found = await twice(ingest)
    await ingest.send("users.upserted", user("z"))
    await ingest.settled()
    await ingest.http.post(
        "/crosswalk/merge",
        json={"district": "d1", "entity": "user", "keep": "z", "merge": "b"},
        headers=token("approver"),
    )

    assert (await say(ingest, found, "confirm")).status_code == 200
    assert set(await ingest.people()) == {"a"}


async def test_conflicts_are_suggested_and_never_merged(ingest: Ingest) -> None:
    await ingest.send("users.upserted", {**user("a"), STATE: "S1", LOCAL: "7"})
    await ingest.send("users.upserted", {**user("b"), STATE: "S2", LOCAL: "7"}, source="sis-2")
    await ingest.settled()

    (found,) = await page(ingest)
    assert (found["matchRule"], found["score"]) == ("same_local_id", 70)
    assert set(await ingest.people()) == {"a", "b"}


async def test_a_page_says_how_many_there_are_and_shows_no_other_district(ingest: Ingest) -> None:
    await twice(ingest)
    await ingest.send("users.upserted", {**user("c", given="Zoe"), "familyName": "O Brien"})
    await ingest.send("users.upserted", {**user("d", given="Zoe"), "familyName": "Obrien"})
    await born(ingest, "d", "2015-03-01")
    await ingest.settled()

    assert len(await page(ingest)) == 3
    assert len(await page(ingest, limit=2, offset=1)) == 2
    elsewhere = await ingest.http.get("/crosswalk/suggestions", headers=token("viewer", ["d2"]))
    assert elsewhere.json() == {"total": 0, "suggestions": []}
    (first, *_) = await page(ingest)
    for role, districts, status in (("operator", "*", 403), ("approver", ["d2"], 404)):
        answer = await ingest.http.post(
            f"/crosswalk/suggestions/{first['suggestionId']}/confirm",
            headers=token(role, districts),
        )
        assert answer.status_code == status
    nothing = {"suggestionId": "no-such-thing"}
    assert (await say(ingest, nothing, "dismiss")).status_code == 404


async def test_a_name_and_day_that_many_share_suggest_no_more(ingest: Ingest) -> None:
    for number in range(8):
        await ingest.send("users.upserted", user(f"u{number}"))
        await born(ingest, f"u{number}", "2015-03-01")
    await ingest.settled()

    # Six may meet one by one, each with up to five before; whoever comes then meets too many.
    assert len(await page(ingest)) <= 15
