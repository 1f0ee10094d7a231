"""One person, one id, for life: links, re-keyed sources, merges, and what is told of them."""

from typing import Any

import pytest

from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import (
    district,
    enrollment,
    enrollment_row,
    keyed_row,
    user,
    user_row,
)

STATE, LOCAL = "userMasterIdentifier", "identifier"


async def merge(ingest: Ingest, keep: str, merge: str, **query: Any) -> Any:
    return await ingest.http.post(
        "/crosswalk/merge",
        params=query,
        json={"district": "d1", "entity": "user", "keep": keep, "merge": merge},
        headers=token("approver"),
    )


async def meaning(ingest: Ingest, outside: str, source: str = "sis") -> str | None:
    """What an outside id of a user means today."""
    found: str | None = await ingest.value(
        "SELECT entity_id FROM sis_ingest.crosswalk WHERE source_id = $1 AND entity = 'user'"
        " AND external_id = $2 AND valid_to IS NULL",
        source,
        outside,
    )
    return found


async def told(ingest: Ingest, after: int = 0) -> list[tuple[str, str]]:
    """(type, our id) of every event of records after the first `after`."""
    events = await ingest.events("k12.roster.%")
    return [
        (e["type"].removeprefix("roster.").removesuffix(".v1"), _id(e["data"]))
        for e in events[after:]
    ]


def _id(data: dict[str, Any]) -> str:
    found: str = data.get("personId") or data.get("sourcedId") or data["record"]["sourcedId"]
    return found


async def test_a_re_keyed_person_keeps_their_id(ingest: Ingest) -> None:
    await ingest.send("users.upserted", {**user("old"), STATE: "S1"})
    await ingest.settled()
    await ingest.send("users.deleted", {"sourcedId": "old"}, at=1)
    await ingest.send("users.upserted", {**user("new", given="Bea"), STATE: "S1"}, at=2)
    await ingest.settled()

    assert await ingest.people() == {"old": "Bea"}
    (linked,) = await ingest.events("k12.identity.%")
    assert linked["data"] == {
        "entity": "user", "id": "old", "system": "sis", "externalId": "new",
        "matchRule": "same_state_id", "decidedBy": "rule",
    }  # fmt: skip
    (changed,) = await ingest.events("k12.roster.user.keychanged%")
    assert changed["data"] == {
        "personId": "old", "oldKeys": ["old"], "newKeys": ["new"], "reason": "sis_migration",
    }  # fmt: skip


async def test_two_who_live_in_one_source_are_two_whatever_their_numbers(ingest: Ingest) -> None:
    await ingest.send("users.upserted", {**user("a"), LOCAL: "7"})
    await ingest.settled()
    await ingest.send("users.upserted", {**user("b"), LOCAL: "7"}, at=1)
    await ingest.settled()

    assert await ingest.people() == {"a": "Ada", "b": "Ada"}
    (suggested,) = await ingest.events("k12.identity.%")
    assert suggested["type"] == "identity.crosswalk.suggested.v1"


async def test_another_source_of_the_district_speaks_of_the_same_person(ingest: Ingest) -> None:
    await ingest.send("users.upserted", {**user("a"), STATE: "S1"})
    await ingest.settled()
    await ingest.send("users.upserted", {**user("x", given="Other"), STATE: "S1"}, source="sis-2")
    await ingest.settled()
    assert await meaning(ingest, "x", "sis-2") == "a"
    assert await ingest.people() == {"a": "Ada"}

    await ingest.send("users.deleted", {"sourcedId": "a"}, at=1)
    await ingest.settled()
    assert await ingest.people() == {"a": "Other"}

    await ingest.send("users.deleted", {"sourcedId": "x"}, source="sis-2", at=2)
    await ingest.settled()
    assert await ingest.people() == {}
    assert (await told(ingest))[-1] == ("user.tobedeleted", "a")


async def test_who_was_only_referred_to_turns_out_to_be_known(ingest: Ingest) -> None:
    await ingest.send("users.upserted", {**user("old"), STATE: "S1"})
    await ingest.settled()
    await ingest.send("users.deleted", {"sourcedId": "old"}, at=1)
    await ingest.send("enrollments.upserted", enrollment("e1", user_id="new"), at=2)
    await ingest.settled()
    assert await meaning(ingest, "new") == "new"

    await ingest.send("users.upserted", {**user("new"), STATE: "S1"}, at=3)
    await ingest.settled()

    assert await ingest.people() == {"old": "Ada"}
    enrolled = await ingest.value(
        "SELECT data->'user'->>'sourcedId' FROM sis_ingest.resolved_record"
        " WHERE entity = 'enrollment'"
    )
    assert enrolled == "old"


async def test_a_whole_re_keyed_file_re_keys_nobody_and_removes_nobody(ingest: Ingest) -> None:
    people = [keyed_row(f"old-{n}", f"no-{n}") for n in range(30)]
    rows = [enrollment_row(f"e{n}", f"old-{n}") for n in range(30)]
    await ingest.load(district(people, rows))
    before = len(await told(ingest))
    ids = set(await ingest.people())

    people = [keyed_row(f"new-{n}", f"no-{n}") for n in range(30)]
    rows = [enrollment_row(f"e{n}", f"new-{n}") for n in range(30)]
    report = await ingest.load(district(people, rows))

    assert report["state"] == "completed"
    assert set(await ingest.people()) == ids == {f"old-{n}" for n in range(30)}
    after = await told(ingest, before)
    assert {kind for kind, _ in after} == {"user.keychanged", "user.upserted"}
    # user_row makes the sign-in name of the id, so each person says something new.
    assert sorted(i for kind, i in after if kind == "user.upserted") == sorted(ids)
    assert report["counts"]["user"]["missing"] == 0
    again = await ingest.load(district(people, rows))
    assert again["counts"]["user"]["unchanged"] == 30
    assert await told(ingest, before + len(after)) == []


async def test_a_source_that_takes_its_new_ids_back_removes_nobody(ingest: Ingest) -> None:
    def whole(mark: str) -> bytes:
        people = [keyed_row(f"{mark}-{n}", f"no-{n}") for n in range(60)]
        return district(people, [enrollment_row(f"e-{mark}-{n}", f"{mark}-{n}") for n in range(60)])

    for mark in ("old", "new"):
        await ingest.load(whole(mark))
    before = len(await told(ingest))
    report = await ingest.load(whole("old"))

    assert await ingest.value("SELECT count(*) FROM sis_ingest.hold") == 0
    assert set(await ingest.people()) == {f"old-{n}" for n in range(60)}
    kinds = [kind for kind, _ in await told(ingest, before)]
    assert set(kinds) == {"user.keychanged", "user.upserted"}
    assert (kinds.count("user.keychanged"), report["counts"]["user"]["missing"]) == (60, 0)
    again = await ingest.load(whole("old"))
    assert again["counts"]["user"]["unchanged"] == 60
    assert again["counts"]["enrollment"]["unchanged"] == 60


async def test_a_merge_tells_everything_again_under_the_kept_id(ingest: Ingest) -> None:
    await ingest.send("users.upserted", user("a"))
    await ingest.send("users.upserted", user("b", given="Bea"))
    await ingest.send("demographics.upserted", {"sourcedId": "b", "sex": "female"})
    await ingest.send("enrollments.upserted", enrollment("e1", user_id="b"))
    await ingest.send("enrollments.upserted", enrollment("e2", user_id="a"))
    await ingest.send("users.upserted", {**user("kin"), "agents": [{"sourcedId": "b"}]})
    await ingest.settled()
    before = len(await told(ingest))

    plan = (await merge(ingest, "a", "b", dryRun=True)).json()
    assert await told(ingest, before) == []
    done = (await merge(ingest, "a", "b")).json()

    touched = [(t["entity"], t["id"], t["action"]) for t in done["touched"]]
    assert touched == [(t["entity"], t["id"], t["action"]) for t in plan["touched"]]
    assert sorted(touched) == [
        ("demographics", "a", "upserted"), ("demographics", "b", "tobedeleted"),
        ("enrollment", "e1", "upserted"), ("user", "b", "tobedeleted"),
        ("user", "kin", "upserted"),
    ]  # fmt: skip
    events = (await ingest.events("k12.roster.%"))[before:]
    assert {e["correlation"] for e in events} == {done["correlationId"]}
    assert {e["origin"] for e in events} == {"operator"}
    gone = [e["data"] for e in events if e["type"].endswith("tobedeleted.v1")]
    assert {(one["reason"], one["mergedInto"]) for one in gone} == {("merged", "a")}
    assert (await told(ingest, before))[-1] == ("user.keychanged", "a")
    (merged,) = await ingest.events("k12.identity.%")
    assert merged["data"] == {
        "entity": "user", "id": "a", "system": "sis", "externalId": "b",
        "matchRule": "operator", "decidedBy": "operator:test", "mergedId": "b",
    }  # fmt: skip
    references = await ingest.value(
        "SELECT count(*) FROM sis_ingest.resolved_record WHERE NOT deleted"
        " AND data::text LIKE '%\"b\"%'"
    )
    assert references == 0


async def test_after_a_merge_either_outside_id_lands_on_the_kept_id(ingest: Ingest) -> None:
    await ingest.send("users.upserted", user("a"))
    await ingest.send("users.upserted", user("b", given="Bea"))
    await ingest.settled()
    assert (await merge(ingest, "a", "b")).status_code == 200

    await ingest.send("users.upserted", user("b", given="Bee"), at=1)
    await ingest.settled()
    assert await ingest.people() == {"a": "Ada"}
    await ingest.send("users.deleted", {"sourcedId": "a"}, at=2)
    await ingest.send("enrollments.upserted", enrollment("e9", user_id="b"), at=2)
    await ingest.settled()

    assert await ingest.people() == {"a": "Bee"}
    assert ("enrollment.upserted", "e9") in await told(ingest)
    assert await meaning(ingest, "b") == "a"


async def test_a_merge_again_touches_nothing_and_a_wrong_one_is_refused(ingest: Ingest) -> None:
    for who in ("a", "b", "c"):
        await ingest.send("users.upserted", user(who))
    await ingest.settled()
    await merge(ingest, "a", "b")
    before = len(await told(ingest))

    again = await merge(ingest, "a", "b")
    assert (again.status_code, again.json()["touched"]) == (200, [])
    answers = [await merge(ingest, *pair) for pair in
               (("a", "nobody"), ("nobody", "a"), ("b", "c"), ("c", "b"), ("a", "a"))]  # fmt: skip

    assert [(a.status_code, a.json()["errors"][0]["field"]) for a in answers] == [
        (404, "merge"), (404, "keep"), (409, "keep"), (409, "merge"), (422, "merge"),
    ]  # fmt: skip
    assert await told(ingest, before) == []


@pytest.mark.parametrize(
    ("role", "districts", "status"), [("operator", "*", 403), ("approver", ["d2"], 404)]
)
async def test_only_an_approver_of_the_district_may_merge(
    ingest: Ingest, role: str, districts: Any, status: int
) -> None:
    answer = await ingest.http.post(
        "/crosswalk/merge",
        json={"district": "d1", "entity": "user", "keep": "a", "merge": "b"},
        headers=token(role, districts),
    )

    assert answer.status_code == status


async def test_orgs_merge_too_and_all_that_belongs_to_them_follows(ingest: Ingest) -> None:
    await ingest.send("users.upserted", user("u1", org="s-2"))
    for school in ("s-1", "s-2"):
        data = {"sourcedId": school, "name": school, "type": "school", "identifier": school}
        await ingest.send("orgs.upserted", data)
    await ingest.settled()

    answer = await ingest.http.post(
        "/crosswalk/merge",
        json={"district": "d1", "entity": "org", "keep": "s-1", "merge": "s-2"},
        headers=token("approver"),
    )

    assert [(t["entity"], t["id"]) for t in answer.json()["touched"]] == [
        # What ends is named first.
        ("org", "s-2"), ("user", "u1"),
    ]  # fmt: skip
    school = await ingest.value(
        "SELECT data->'roles'->0->'org'->>'sourcedId' FROM sis_ingest.resolved_record"
        " WHERE entity = 'user'"
    )
    assert school == "s-1"


async def test_the_crosswalk_shows_every_meaning_over_time(ingest: Ingest) -> None:
    await ingest.send("users.upserted", user("a"))
    await ingest.send("users.upserted", user("b"))
    await ingest.settled()
    await merge(ingest, "a", "b")

    page = await ingest.http.get(
        "/crosswalk",
        params={"district": "d1", "entity": "user", "id": "a"},
        headers=token("viewer"),
    )

    found = page.json()["outsideIds"]
    assert [(o["externalId"], o["id"], o["matchRule"], o["decidedBy"]) for o in found] == [
        ("a", "a", "first_outside_id", "rule"),
        ("b", "b", "first_outside_id", "rule"),
        ("b", "a", "operator", "operator:test"),
    ]
    assert [o["validTo"] is None for o in found] == [True, False, True]
    assert found[1]["validTo"] == found[2]["validFrom"]


async def test_one_re_keyed_person_in_a_file_leaves_the_others_alone(ingest: Ingest) -> None:
    people = [keyed_row("u1", "1"), keyed_row("u2", "2")]
    rows = [enrollment_row("e1", "u1"), enrollment_row("e2", "u2")]
    await ingest.load(district(people, rows))
    before = len(await told(ingest))

    people = [keyed_row("u1", "1"), keyed_row("u9", "2")]
    rows = [enrollment_row("e1", "u1"), enrollment_row("e2", "u9")]
    await ingest.load(district(people, rows))

    assert sorted(await ingest.people()) == ["u1", "u2"]
    assert {i for _, i in await told(ingest, before)} == {"u2"}


async def test_an_address_for_an_id_stands_in_no_id_of_ours_and_on_no_page(ingest: Ingest) -> None:
    address = "ada.byron@north.example"
    sent = (await ingest.send("users.upserted", user(address))).json()
    await ingest.send("enrollments.upserted", enrollment("e1", user_id=address))
    await ingest.settled()

    (ours,) = await ingest.people()
    steps = await ingest.http.get(f"/trace/{sent['correlationId']}", headers=token("viewer"))
    copies = await ingest.http.get(f"/trace/people/{ours}", headers=token("viewer"))
    rosters = [event["data"] for event in await ingest.events()]

    assert "@" not in ours
    assert [c["id"] for c in copies.json()["copies"]] == [ours, ours]
    assert address not in steps.text + copies.text + str(rosters)
    referred = await ingest.value(
        "SELECT data->'user'->>'sourcedId' FROM sis_ingest.resolved_record"
        " WHERE entity = 'enrollment'"
    )
    assert referred == ours


async def test_no_address_stands_on_the_log_in_whatever_is_told_of_ids(ingest: Ingest) -> None:
    old, new, other = (f"{name}@north.example" for name in ("ada", "byron", "bea"))
    await ingest.send("users.upserted", {**user(old), "userMasterIdentifier": "state-1"})
    await ingest.settled()
    await ingest.send("users.deleted", {"sourcedId": old}, at=1)
    await ingest.settled()
    await ingest.send("users.upserted", {**user(new), "userMasterIdentifier": "state-1"}, at=2)
    await ingest.send("users.upserted", user("plain"), at=2)
    await ingest.send("users.upserted", user(other), at=2)
    await ingest.settled()
    ours = {
        row["external_id"]: row["entity_id"]
        for row in await ingest.pool.fetch(
            "SELECT external_id, entity_id FROM sis_ingest.crosswalk"
        )
    }
    assert ours[old] == ours[new]
    assert (await merge(ingest, "plain", ours[other])).status_code == 200

    told = await ingest.events("k12.%")

    kinds = {event["type"] for event in told}
    assert {"identity.crosswalk.linked.v1", "identity.crosswalk.merged.v1"} <= kinds
    assert {"roster.user.keychanged.v1", "sis.change.received.v1"} <= kinds
    assert "north.example" not in str(told)
    received = [e["data"]["externalId"] for e in told if e["type"] == "sis.change.received.v1"]
    assert received.count("withheld") == 4
    assert received.count("plain") == 1
    page = await ingest.http.get(
        "/crosswalk",
        params={"district": "d1", "entity": "user", "id": "plain"},
        headers=token("viewer"),
    )
    assert other in page.text


async def test_a_hold_of_people_known_by_addresses_names_none_of_them(ingest: Ingest) -> None:
    await ingest.load(district([user_row("u0")], [enrollment_row("e0", "u0")]))
    people = [user_row(f"p{n}@north.example") for n in range(101)]

    await ingest.load(district([user_row("u0"), *people], [enrollment_row("e0", "u0")]))

    page = await ingest.http.get("/holds", headers=token("viewer"))
    (hold,) = page.json()["holds"]
    assert (hold["operation"], hold["count"], hold["sample"]) == ("add", 101, [])
    assert "@" not in page.text


async def test_re_keyed_enrollments_are_the_same_ones(ingest: Ingest) -> None:
    def whole(mark: str, enrolled: str) -> bytes:
        people = [keyed_row(f"{mark}-{n}", f"no-{n}") for n in range(60)]
        twice = [enrollment_row(f"{enrolled}-twice", f"{mark}-0")]
        once = [enrollment_row(f"{enrolled}-{n}", f"{mark}-{n}") for n in range(60)]
        return district(people, twice + once)

    await ingest.load(whole("old", "e"))
    before = await ingest.events("k12.roster.enrollment.%")
    await ingest.load(whole("new", "x"))

    events = (await ingest.events("k12.roster.enrollment.%"))[len(before) :]
    told = [event["type"] for event in events]
    # Of two that say the same nobody knows which one is which.
    assert sorted(told) == [
        *["roster.enrollment.tobedeleted.v1"] * 2,
        *["roster.enrollment.upserted.v1"] * 2,
    ]
    assert await ingest.value("SELECT count(*) FROM sis_ingest.hold") == 0
    living = "SELECT count(*) FROM sis_ingest.resolved_record WHERE NOT deleted AND entity = $1"
    assert await ingest.value(living, "enrollment") == 61
