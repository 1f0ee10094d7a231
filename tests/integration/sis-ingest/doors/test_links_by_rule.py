"""A second source, or a new SIS, finds the people, schools, courses, classes and terms we know."""

from typing import Any

import pytest

from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import USERS, csv, district, enrollment_row, keyed_row, user

SCHOOL = {"name": "North High", "type": "school", "identifier": "0101"}
COURSE = {"title": "Art", "courseCode": "ART-1"}
TERM = {
    "title": "Fall", "type": "term", "startDate": "2026-08-17", "endDate": "2026-12-20",
    "schoolYear": "2027",
}  # fmt: skip


def ref(sourced_id: str) -> dict[str, str]:
    return {"sourcedId": sourced_id}


def world(mark: str) -> dict[str, dict[str, Any]]:
    """One class with all that it refers to, as a source words it under its own ids."""
    return {
        "orgs": {**SCHOOL, "sourcedId": f"{mark}-school"},
        "academicSessions": {**TERM, "sourcedId": f"{mark}-term"},
        "courses": {**COURSE, "sourcedId": f"{mark}-course", "org": ref(f"{mark}-school")},
        "classes": {
            "sourcedId": f"{mark}-class", "title": "Art 5", "classCode": "A5",
            "course": ref(f"{mark}-course"), "school": ref(f"{mark}-school"),
            "terms": [ref(f"{mark}-term")],
        },
    }  # fmt: skip


async def meanings(ingest: Ingest, source: str) -> dict[str, str]:
    rows = await ingest.pool.fetch(
        "SELECT external_id, entity_id FROM sis_ingest.crosswalk"
        " WHERE source_id = $1 AND valid_to IS NULL",
        source,
    )
    return {row["external_id"]: row["entity_id"] for row in rows}


async def tell(ingest: Ingest, records: dict[str, dict[str, Any]], source: str) -> None:
    for collection, record in records.items():
        await ingest.send(f"{collection}.upserted", record, source=source)
    await ingest.settled()


async def test_a_second_source_finds_schools_terms_courses_and_classes(ingest: Ingest) -> None:
    await tell(ingest, world("a"), "sis")
    await tell(ingest, world("b"), "sis-2")

    assert await meanings(ingest, "sis-2") == {
        f"b-{what}": f"a-{what}" for what in ("school", "term", "course", "class")
    }
    linked = await ingest.events("k12.identity.crosswalk.linked%")
    assert [(e["data"]["entity"], e["data"]["matchRule"]) for e in linked] == [
        (entity, "same_local_id") for entity in ("org", "academicSession", "course", "class")
    ]


async def test_in_whatever_order_they_come_references_become_the_known_ones(
    ingest: Ingest,
) -> None:
    await tell(ingest, world("a"), "sis")
    # One by one: what comes in one batch is looked at together.
    for collection, record in reversed(world("b").items()):
        await tell(ingest, {collection: record}, "sis-2")

    found = await meanings(ingest, "sis-2")
    assert (found["b-school"], found["b-term"]) == ("a-school", "a-term")
    # What came before its school could not be told apart by it: it has an id of its own.
    assert found["b-class"] == "b-class"
    school = await ingest.value(
        "SELECT data->'school'->>'sourcedId' FROM sis_ingest.resolved_record"
        " WHERE entity = 'class' AND entity_id = 'b-class'"
    )
    assert school == "a-school"


@pytest.mark.parametrize(
    "changed",
    [
        {"orgs": {"identifier": "0102"}},
        {"orgs": {"type": "district"}},
        {"courses": {"courseCode": "ART-2"}},
        {"classes": {"classCode": "B5"}},
        {"academicSessions": {"endDate": "2027-01-20"}},
        {"academicSessions": {"title": "Autumn"}},
    ],
    ids=lambda value: "-".join(f"{k}.{next(iter(v))}" for k, v in value.items()),
)
async def test_what_differs_in_a_key_is_another(ingest: Ingest, changed: Any) -> None:
    await tell(ingest, world("a"), "sis")
    other = world("b")
    for collection, fields in changed.items():
        other[collection] = {**other[collection], **fields}
    await tell(ingest, other, "sis-2")

    found = await meanings(ingest, "sis-2")
    (collection,) = changed
    named = other[collection]["sourcedId"]
    assert found[named] == named
    # A class is known by its school, course and terms: another one of those is another class.
    assert found["b-class"] == "b-class"


async def test_two_that_live_in_one_source_stay_two(ingest: Ingest) -> None:
    await tell(ingest, world("a"), "sis")
    await tell(ingest, world("b"), "sis")

    found = await meanings(ingest, "sis")
    assert (found["a-school"], found["b-school"]) == ("a-school", "b-school")
    assert (found["a-term"], found["b-term"]) == ("a-term", "b-term")


@pytest.mark.parametrize("source", ["sis", "sis-2"])
async def test_an_id_from_before_is_the_same_person(ingest: Ingest, source: str) -> None:
    """`sis-2` names `sis` as the source before it."""
    await ingest.send("users.upserted", user("s100"))
    await ingest.settled()

    new = {**user("77", given="Bea"), "metadata": {"ic.legacysourceId": "s100"}}
    await ingest.send("users.upserted", new, source=source, at=1)
    await ingest.settled()

    assert set(await ingest.people()) == {"s100"}
    assert (await meanings(ingest, source))["77"] == "s100"
    (linked,) = await ingest.events("k12.identity.crosswalk.linked%")
    assert linked["data"]["matchRule"] == "same_legacy_id"


async def test_an_id_from_before_in_another_source_says_nothing(ingest: Ingest) -> None:
    await ingest.send("users.upserted", user("s100"), source="sis-2")
    await ingest.settled()
    new = {**user("77"), "metadata": {"ic.legacysourceId": "s100"}}
    await ingest.send("users.upserted", new, source="sis")
    await ingest.settled()

    assert set(await ingest.people()) == {"s100", "77"}


async def test_an_id_from_before_that_the_same_file_lists_is_somebody_else(
    ingest: Ingest,
) -> None:
    old = [keyed_row(f"old-{n}", f"no-{n}") for n in range(10)]
    await ingest.load(district(old))
    new = (*keyed_row("new", "no-new", given="Eve"), "old-3")
    head = (*USERS, "metadata.legacySourcedId")
    both = csv(head, *[(*row, "") for row in old], new)

    for _ in range(2):
        await ingest.load(district(old, users=both))
        assert (await meanings(ingest, "sis"))["new"] == "new"
        names = await ingest.people()
        assert (len(names), names["old-3"], names["new"]) == (11, "Ada", "Eve")


async def test_two_of_one_file_with_one_number_are_two_however_far_apart(ingest: Ingest) -> None:
    await ingest.send("users.upserted", {**user("a"), "identifier": "no-7"})
    await ingest.settled()
    between = [keyed_row(f"m{n:04}", f"x{n}") for n in range(1000)]
    people = [keyed_row("a0", "no-7", given="Bea"), *between, keyed_row("z9", "no-7", given="Cy")]
    await ingest.load(district(people, [enrollment_row("e1", "m0001")]), source="files")

    found = await meanings(ingest, "files")
    assert (found["a0"], found["z9"]) == ("a", "z9")


@pytest.mark.parametrize(
    ("outside", "number", "name", "same"),
    [
        ("17", "17", "Zoe Other", False),
        ("17", "17", "Zoe Byron", False),
        ("17", "17", "Ada Byron", True),
        ("x", "17", "Zoe Other", False),
        ("x", "A-17", "Zoe Other", False),
        ("x", "A-17", "Ada Other", True),
    ],
)
async def test_a_number_means_less_in_another_source(
    ingest: Ingest, outside: str, number: str, name: str, same: bool
) -> None:
    await ingest.send("users.upserted", {**user("17"), "identifier": number})
    await ingest.settled()
    given, family = name.split()
    other = {**user(outside, given=given), "familyName": family, "identifier": number}
    await ingest.send("users.upserted", other, source="sis-2")
    await ingest.settled()

    assert len(await ingest.people()) == (1 if same else 2)


async def test_a_number_that_was_the_id_finds_who_has_another_id_now(ingest: Ingest) -> None:
    await ingest.send("users.upserted", {**user("17"), "identifier": "17"})
    await ingest.settled()
    await ingest.send("users.deleted", {"sourcedId": "17"}, at=1)
    married = {**user("x"), "familyName": "Lovelace", "identifier": "17"}
    await ingest.send("users.upserted", married, at=2)
    await ingest.settled()

    assert await ingest.people() == {"17": "Ada"}


async def test_staff_of_another_system_are_found_by_their_address(ingest: Ingest) -> None:
    def teacher(sourced_id: str, email: str) -> dict[str, Any]:
        role = {"roleType": "primary", "role": "teacher", "org": ref("school-1")}
        return {**user(sourced_id), "email": email, "roles": [role]}

    await ingest.send("users.upserted", teacher("t1", "Ada.Byron@north.example"))
    await ingest.send("users.upserted", teacher("t2", "office@north.example"))
    await ingest.send("users.upserted", teacher("t3", "office@north.example"))
    await ingest.settled()
    await ingest.send("users.upserted", teacher("h1", "ada.byron@NORTH.example"), source="sis-2")
    await ingest.send("users.upserted", teacher("h2", "office@north.example"), source="sis-2")
    await ingest.settled()

    found = await meanings(ingest, "sis-2")
    assert (found["h1"], found["h2"]) == ("t1", "h2")


async def test_who_carries_a_key_under_an_id_that_ended_is_who_stands_for_it(
    ingest: Ingest,
) -> None:
    await ingest.send("users.upserted", user("a"))
    await ingest.send("users.upserted", {**user("b"), "userMasterIdentifier": "S2"})
    await ingest.settled()
    await merge(ingest, "a", "b")

    await ingest.send(
        "users.upserted", {**user("c"), "userMasterIdentifier": "S2"}, source="sis-2", at=1
    )
    await ingest.settled()

    assert set(await ingest.people()) == {"a"}
    assert (await meanings(ingest, "sis-2"))["c"] == "a"


async def test_a_new_sis_finds_a_whole_district(ingest: Ingest) -> None:
    """Every id is another one, in one file; nobody and nothing is new."""
    people = [keyed_row(f"old-{n}", f"no-{n}") for n in range(20)]
    await ingest.load(district(people, [enrollment_row(f"e{n}", f"old-{n}") for n in range(20)]))
    before = {
        (row["entity"], row["entity_id"])
        for row in await ingest.pool.fetch(
            "SELECT entity, entity_id FROM sis_ingest.resolved_record"
        )
    }

    people = [keyed_row(f"new-{n}", f"no-{n}") for n in range(20)]
    rows = [enrollment_row(f"x{n}", f"new-{n}") for n in range(20)]
    report = await ingest.load(district(people, rows), source="files")

    assert report["state"] == "completed"
    after = {
        (row["entity"], row["entity_id"])
        for row in await ingest.pool.fetch(
            "SELECT entity, entity_id FROM sis_ingest.resolved_record"
        )
    }
    assert {entity for entity, _ in after - before} <= {"enrollment"}


async def merge(ingest: Ingest, keep: str, merge: str) -> None:
    answer = await ingest.http.post(
        "/crosswalk/merge",
        json={"district": "d1", "entity": "user", "keep": keep, "merge": merge},
        headers=token("approver"),
    )
    assert answer.status_code == 200
