"""Split and undo: outside ids get back what they had, and all that refers to them is told again."""

from typing import Any

import orjson
import pytest

from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import enrollment, user

STATE = "userMasterIdentifier"


async def decide(ingest: Ingest, door: str, body: dict[str, Any], **query: Any) -> Any:
    return await ingest.http.post(
        f"/crosswalk/{door}", params=query, json=body, headers=token("approver")
    )


async def merge(ingest: Ingest, keep: str, merge: str, **query: Any) -> Any:
    body = {"district": "d1", "entity": "user", "keep": keep, "merge": merge}
    return await decide(ingest, "merge", body, **query)


async def split(ingest: Ingest, ours: str, *outside: str, **query: Any) -> Any:
    given = [
        {"source": source, "externalId": external}
        for source, external in (one.split(":") for one in outside)
    ]
    body = {"district": "d1", "entity": "user", "id": ours, "outside": given}
    return await decide(ingest, "split", body, **query)


async def undo(ingest: Ingest, decided: Any, **query: Any) -> Any:
    return await decide(ingest, "undo", {"decisionId": decided.json()["decisionId"]}, **query)


async def truth(ingest: Ingest) -> dict[tuple[str, str], Any]:
    """Every record that lives, by entity and our id."""
    rows = await ingest.pool.fetch(
        "SELECT entity, entity_id, data FROM sis_ingest.resolved_record WHERE NOT deleted"
    )
    return {(row["entity"], row["entity_id"]): orjson.loads(row["data"]) for row in rows}


async def told(ingest: Ingest, after: int) -> list[tuple[str, str]]:
    return [
        (e["type"].removeprefix("roster.").removesuffix(".v1"), _id(e["data"]))
        for e in (await ingest.events("k12.roster.%"))[after:]
    ]


def _id(data: dict[str, Any]) -> str:
    found: str = data.get("personId") or data.get("sourcedId") or data["record"]["sourcedId"]
    return found


async def two_people(ingest: Ingest) -> None:
    """`a` and `b` of two sources, with all that can refer to them."""
    await ingest.send("users.upserted", user("a"))
    await ingest.send("users.upserted", {**user("b", given="Bea"), STATE: "S2"})
    await ingest.send("users.upserted", {**user("h", given="Bee"), STATE: "S2"}, source="sis-2")
    await ingest.send("demographics.upserted", {"sourcedId": "b", "sex": "female"})
    await ingest.send("enrollments.upserted", enrollment("e-a", user_id="a"))
    await ingest.send("enrollments.upserted", enrollment("e-b", user_id="b"))
    await ingest.send("enrollments.upserted", enrollment("e-h", user_id="h"), source="sis-2")
    await ingest.send("users.upserted", {**user("kin"), "agents": [{"sourcedId": "b"}]})
    await ingest.settled()


async def test_a_merge_taken_back_leaves_everything_as_it_was(ingest: Ingest) -> None:
    await two_people(ingest)
    before = await truth(ingest)
    merged = await merge(ingest, "a", "b")
    assert ("user", "b") not in await truth(ingest)
    seen = len(await ingest.events("k12.roster.%"))

    plan = await undo(ingest, merged, dryRun=True)
    assert await told(ingest, seen) == []
    done = await undo(ingest, merged)

    assert await truth(ingest) == before
    assert plan.json()["touched"] == done.json()["touched"]
    assert plan.json()["itemsHash"] == done.json()["itemsHash"]
    assert sorted(await told(ingest, seen)) == [
        ("demographics.tobedeleted", "a"), ("demographics.upserted", "b"),
        ("enrollment.upserted", "e-b"), ("enrollment.upserted", "e-h"),
        ("user.keychanged", "a"), ("user.keychanged", "b"),
        ("user.upserted", "b"), ("user.upserted", "kin"),
    ]  # fmt: skip
    first, second = await ingest.events("k12.identity.crosswalk.split%")
    assert [e["data"]["externalId"] for e in (first, second)] == ["b", "h"]
    assert {(e["data"]["id"], e["data"]["splitFromId"]) for e in (first, second)} == {("b", "a")}


async def test_an_undo_again_touches_nothing_and_is_itself_not_undone(ingest: Ingest) -> None:
    await two_people(ingest)
    merged = await merge(ingest, "a", "b")
    done = await undo(ingest, merged)
    seen = len(await ingest.events())

    again = await undo(ingest, merged)
    back = await undo(ingest, done)

    assert (again.status_code, again.json()["touched"]) == (200, [])
    assert (back.status_code, back.json()["code"]) == (409, "is_an_undo")
    assert len(await ingest.events()) == seen


async def test_what_touched_the_ids_since_keeps_an_undo_from_being_done(ingest: Ingest) -> None:
    await two_people(ingest)
    await ingest.send("users.upserted", user("c"))
    await ingest.settled()
    first = await merge(ingest, "a", "b")
    second = await merge(ingest, "a", "c")

    refused = await undo(ingest, first)

    assert (refused.status_code, refused.json()["code"]) == (409, "touched_since")
    assert refused.json()["detail"] == f"Touched since: a by {second.json()['decisionId']}"
    assert (await undo(ingest, second)).status_code == 200
    # What was done and taken back is still something that happened to `a`.
    assert (await undo(ingest, first)).status_code == 409
    assert (await split(ingest, "a", "sis:b", "sis-2:h")).status_code == 200
    assert set(await ingest.people()) == {"a", "b", "c", "kin"}


async def test_a_split_gives_back_the_id_that_was_theirs(ingest: Ingest) -> None:
    await two_people(ingest)
    before = await truth(ingest)
    await merge(ingest, "a", "b")

    plan = await split(ingest, "a", "sis:b", "sis-2:h", dryRun=True)
    done = await split(ingest, "a", "sis:b", "sis-2:h")

    assert {move["to"] for move in done.json()["moves"]} == {"b"}
    assert plan.json()["itemsHash"] == done.json()["itemsHash"]
    assert await truth(ingest) == before
    again = await split(ingest, "a", "sis:b", "sis-2:h")
    assert (again.status_code, again.json()["touched"]) == (200, [])


async def test_an_id_that_ended_is_given_to_nobody_but_those_who_had_it(ingest: Ingest) -> None:
    await two_people(ingest)
    await merge(ingest, "a", "b")

    # `h` alone is not who `b` was: it gets an id of its own.
    done = await split(ingest, "a", "sis-2:h")
    await ingest.send("users.upserted", user("b", given="New"), source="elsewhere")
    await ingest.send("users.upserted", user("b", given="New"), source="sis-2")
    await ingest.settled()

    assert {move["to"] for move in done.json()["moves"]} == {"h"}
    ours = await ingest.value(
        "SELECT entity_id FROM sis_ingest.crosswalk WHERE source_id = 'sis-2'"
        " AND external_id = 'b' AND valid_to IS NULL"
    )
    assert ours not in {"a", "b", "h"}
    assert (await truth(ingest))["enrollment", "e-h"]["user"]["sourcedId"] == "h"
    assert (await truth(ingest))["enrollment", "e-b"]["user"]["sourcedId"] == "a"


async def test_a_link_by_rule_is_split_off_and_the_split_taken_back(ingest: Ingest) -> None:
    await two_people(ingest)
    before = await truth(ingest)

    done = await split(ingest, "b", "sis-2:h")
    assert (await truth(ingest))["user", "h"]["givenName"] == "Bee"
    assert (await truth(ingest))["enrollment", "e-h"]["user"]["sourcedId"] == "h"
    await ingest.send("users.upserted", {**user("h", given="Bee"), STATE: "S2"}, source="sis-2")
    await ingest.settled()
    assert "h" in await ingest.people()

    assert (await undo(ingest, done)).status_code == 200
    assert await truth(ingest) == before
    gone = [e["data"] for e in await ingest.events("k12.roster.user.tobedeleted%")]
    assert [(one["sourcedId"], one["reason"], one["mergedInto"]) for one in gone] == [
        ("h", "merged", "b")
    ]


@pytest.mark.parametrize(
    ("ours", "outside", "status", "code"),
    [
        ("nobody", "sis:a", 404, "unknown_id"),
        ("a", "sis:b", 409, "means_another"),
        ("a", "sis:a", 409, "nothing_left"),
        ("b", "sis:nobody", 409, "means_another"),
    ],
)
async def test_a_split_that_cannot_be_is_refused(
    ingest: Ingest, ours: str, outside: str, status: int, code: str
) -> None:
    await two_people(ingest)

    answer = await split(ingest, ours, outside)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_what_was_looked_at_is_done_or_nothing(ingest: Ingest) -> None:
    await two_people(ingest)
    body = {"district": "d1", "entity": "user", "keep": "a", "merge": "b"}
    seen = (await decide(ingest, "merge", body, dryRun=True)).json()["itemsHash"]
    await ingest.send("enrollments.upserted", enrollment("e-new", user_id="b"))
    await ingest.settled()
    before = await truth(ingest)

    refused = await decide(ingest, "merge", {**body, "itemsHash": seen})

    assert (refused.status_code, refused.json()["code"]) == (409, "hash_differs")
    assert await truth(ingest) == before
    seen = (await decide(ingest, "merge", body, dryRun=True)).json()["itemsHash"]
    assert (await decide(ingest, "merge", {**body, "itemsHash": seen})).status_code == 200


@pytest.mark.parametrize(
    ("role", "districts", "status"), [("operator", "*", 403), ("approver", ["d2"], 404)]
)
async def test_only_an_approver_of_the_district_decides(
    ingest: Ingest, role: str, districts: Any, status: int
) -> None:
    await two_people(ingest)
    decided = (await merge(ingest, "a", "b")).json()["decisionId"]
    parting = {
        "district": "d1", "entity": "user", "id": "a",
        "outside": [{"source": "sis", "externalId": "b"}],
    }  # fmt: skip

    for door, body in (("split", parting), ("undo", {"decisionId": decided})):
        answer = await ingest.http.post(
            f"/crosswalk/{door}", json=body, headers=token(role, districts)
        )
        assert answer.status_code == status
    unknown = await decide(ingest, "undo", {"decisionId": "no-such-thing"})
    assert unknown.status_code == 404
