"""Two people who share a key are two, and a person is asked; one person of one source stays one."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from roster_common.runtime.database import Database
from sis_ingest.domain.deliveries import Place
from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import (
    USERS,
    change,
    csv,
    district,
    envelope,
    keyed_row,
    manifest,
    package,
    user,
)
from tests.support.truth import Truth

LOCAL, STATE = "identifier", "userMasterIdentifier"


@pytest.fixture
async def database(ingest_url: str) -> AsyncIterator[Database]:
    database = Database(ingest_url, name="test", pool_size=2)
    yield database
    await database.close()


def teacher(sourced_id: str, given: str, family: str, email: str = "") -> dict[str, Any]:
    record = {**user(sourced_id, given=given), "familyName": family, "email": email}
    record["roles"] = [{**record["roles"][0], "role": "teacher"}]
    return {name: value for name, value in record.items() if value}


async def tell(ingest: Ingest, *records: dict[str, Any], source: str = "sis", at: int = 0) -> None:
    """Each alone: what comes in one batch is looked at together."""
    for record in records:
        await ingest.send("users.upserted", record, source=source, at=at)
        await ingest.settled()


async def suggested(ingest: Ingest, state: str = "open") -> list[tuple[str, str, str]]:
    answer = await ingest.http.get(
        "/crosswalk/suggestions",
        params={"district": "d1", "state": state},
        headers=token("viewer"),
    )
    return sorted((s["id"], s["otherId"], s["matchRule"]) for s in answer.json()["suggestions"])


async def decide(ingest: Ingest, door: str, **body: Any) -> dict[str, Any]:
    answer = await ingest.http.post(f"/crosswalk/{door}", json=body, headers=token("approver"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def merge(ingest: Ingest, keep: str, gone: str) -> dict[str, Any]:
    return await decide(ingest, "merge", district="d1", entity="user", keep=keep, merge=gone)


async def test_an_address_of_an_office_makes_nobody_the_one_before(ingest: Ingest) -> None:
    await tell(ingest, teacher("t1", "Sam", "Head", "office@north.example"))
    await tell(ingest, teacher("h1", "Pat", "Clerk", "office@north.example"), source="sis-2")

    assert await ingest.people() == {"t1": "Sam", "h1": "Pat"}
    assert await suggested(ingest) == [("h1", "t1", "same_email")]


@pytest.mark.parametrize(("given", "same"), [("John", False), ("Jane", True)])
async def test_an_address_is_given_to_the_next_of_that_name(
    ingest: Ingest, given: str, same: bool
) -> None:
    await tell(ingest, teacher("t1", "Jane", "Smith", "jsmith@north.example"))
    await ingest.send("users.deleted", {"sourcedId": "t1"}, at=1)
    await ingest.settled()
    await tell(ingest, teacher("t2", given, "Smith", "jsmith@north.example"), at=2)

    assert await ingest.people() == {"t1" if same else "t2": given}
    assert await suggested(ingest) == ([] if same else [("t1", "t2", "same_email")])


async def test_a_number_given_out_again_is_another_person(ingest: Ingest) -> None:
    await tell(ingest, {**user("a"), LOCAL: "17"})
    await ingest.send("users.deleted", {"sourcedId": "a"}, at=1)
    await ingest.settled()
    await tell(ingest, {**user("b", given="Cy"), "familyName": "Other", LOCAL: "17"}, at=2)

    assert await ingest.people() == {"b": "Cy"}
    assert await suggested(ingest) == [("a", "b", "same_local_id")]


async def test_a_source_whose_id_was_split_off_does_not_know_the_person_any_more(
    ingest: Ingest,
) -> None:
    await tell(ingest, {**user("17"), LOCAL: "17"})
    await tell(ingest, user("x", given="Zoe"), source="sis-2")
    await merge(ingest, "17", "x")
    outside = [{"source": "sis-2", "externalId": "x"}]
    await decide(ingest, "split", district="d1", entity="user", id="17", outside=outside)

    # Its own number over again: only within one source that is certain without the name.
    await tell(ingest, {**user("y", given="Zoe"), LOCAL: "17"}, source="sis-2", at=1)

    assert await ingest.people() == {"17": "Ada", "x": "Zoe", "y": "Zoe"}


def delta(*rows: Any, head: Any = USERS) -> bytes:
    return package(
        {"manifest.csv": manifest("1.1", {"users": "delta"}), "users.csv": csv(head, *rows)}
    )


async def test_an_id_from_before_that_the_same_delta_lists_is_somebody_else(
    ingest: Ingest,
) -> None:
    await ingest.load(district([keyed_row(f"old-{n}", f"no-{n}") for n in range(3)]))
    old, new = keyed_row("old-1", "no-1"), keyed_row("new", "no-new", given="Eve")

    body = delta((*old, ""), (*new, "old-1"), head=(*USERS, "metadata.legacySourcedId"))
    await ingest.load(body)

    assert await ingest.people() == {"old-0": "Ada", "old-1": "Ada", "old-2": "Ada", "new": "Eve"}
    assert await suggested(ingest) == [("new", "old-1", "same_legacy_id")]


async def test_a_delta_that_ends_the_old_id_and_brings_a_new_one_is_a_link(ingest: Ingest) -> None:
    await ingest.load(district([keyed_row(f"old-{n}", f"no-{n}") for n in range(3)]))
    old = list(keyed_row("old-1", "no-1"))
    old[USERS.index("status")] = "tobedeleted"

    await ingest.load(delta(old, keyed_row("new", "no-1", given="Adah")))

    assert await ingest.people() == {"old-0": "Ada", "old-1": "Adah", "old-2": "Ada"}
    assert await ingest.events("k12.roster.user.tobedeleted%") == []


async def test_who_stands_twice_in_one_batch_is_suggested(ingest: Ingest) -> None:
    rows = [keyed_row("u1", "no-7"), keyed_row("u2", "no-7", given="Adah"), keyed_row("u3", "no-8")]
    await ingest.load(district(rows))

    assert set(await ingest.people()) == {"u1", "u2", "u3"}
    assert await suggested(ingest) == [("u1", "u2", "same_local_id")]


async def test_a_suggestion_carries_the_correlation_of_what_made_it(database: Database) -> None:
    truth = Truth(database=database, place=Place(district_id="d1", source_id="s1"))
    told = [
        change({**user("a"), STATE: "S1"}),
        change(user("b", given="Bea")),
        change({**user("c", given="Adah"), STATE: "S1"}),
    ]
    await truth.tell(
        [replace(one, cause=_caused(one.cause, f"delivery-{n}")) for n, one in enumerate(told)]
    )

    pool = await database.pool()
    found = await pool.fetch(
        "SELECT headers->>'ce_correlationid' AS id FROM log.event"
        " WHERE headers->>'ce_type' LIKE '%crosswalk.suggested%'"
    )
    assert [row["id"] for row in found] == ["delivery-2"]


def _caused(cause: Any, correlation_id: str) -> Any:
    ids = {"delivery_id": "01900000-0000-7000-8000-000000000001"}
    return replace(cause, correlation_id=correlation_id, **ids)


async def test_a_name_that_is_put_right_suggests_who_has_it(ingest: Ingest) -> None:
    for who, given in (("a", "Ada"), ("b", "Adda")):
        await tell(ingest, user(who, given=given))
        born = {"sourcedId": who, "birthDate": "2015-03-01"}
        await ingest.send("demographics.upserted", born, at=1)
        await ingest.settled()
    assert await suggested(ingest) == []

    await tell(ingest, user("b"), at=2)

    assert await suggested(ingest) == [("a", "b", "same_name_and_birth_date")]


async def test_pairs_that_became_one_by_other_merges_are_answered(ingest: Ingest) -> None:
    await tell(ingest, *[{**user(who), LOCAL: "7"} for who in ("a", "b", "c")])
    assert len(await suggested(ingest)) == 3

    await merge(ingest, "a", "b")
    assert len(await suggested(ingest)) == 2
    await merge(ingest, "a", "c")

    assert await suggested(ingest) == []
    assert len(await suggested(ingest, "confirmed")) == 3
    assert len(await ingest.events("k12.identity.crosswalk.confirmed%")) == 3


async def test_a_rule_that_moved_several_is_taken_back(ingest: Ingest) -> None:
    people = [keyed_row(f"old-{n}", f"no-{n}") for n in range(3)]
    await ingest.load(district(people))
    for n in range(3):
        kin = {**user(f"kin-{n}", given="Kin"), "agents": [{"sourcedId": f"new-{n}"}]}
        await ingest.send("users.upserted", kin)
    await ingest.settled()
    kin_rows = [keyed_row(f"kin-{n}", f"kin-no-{n}", given="Kin") for n in range(3)]
    again = [keyed_row(f"new-{n}", f"no-{n}") for n in range(3)]
    await ingest.load(district([*again, *kin_rows]))
    decision = await ingest.value("SELECT decision_id::text FROM sis_ingest.crosswalk_decision")

    done = await decide(ingest, "undo", decisionId=decision)

    assert {(m["from"], m["to"]) for m in done["moves"]} == {
        (f"old-{n}", f"new-{n}") for n in range(3)
    }


@pytest.mark.parametrize(
    ("number", "given", "same"),
    [("17", "Ben", False), ("17", "Ada Augusta", True), ("18", "Ada", False)],
)
async def test_a_number_that_a_family_typed_means_no_sibling(
    ingest: Ingest, number: str, given: str, same: bool
) -> None:
    await tell(ingest, {**user("s1", given=given), LOCAL: number, STATE: "S1"})
    form = {
        "registrationId": "r1", "givenName": "Ada", "familyName": "Byron",
        "birthDate": "2020-12-10", "grade": "K", "school": "12", "startDate": "2026-08-17",
        "studentNumber": "17",
    }  # fmt: skip
    body = envelope("registrations.submitted", form)
    await ingest.post(body, source="forms", webhook_id="f1")
    await ingest.settled()

    assert set(await ingest.people()) == ({"s1"} if same else {"s1", "registration-r1"})
    near = [("registration-r1", "s1", "same_local_id")]
    assert await suggested(ingest) == (near if number == "17" and not same else [])
