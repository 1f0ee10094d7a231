"""No birth date outlives its person: a deleted user takes the demographics of the same id along."""

from tests.support.holding import decide, holds, only_hold, open_holds, people, released
from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import csv, district, enrollment_row, keyed_row, user

DEMOGRAPHICS = ("sourcedId", "status", "dateLastModified", "birthDate", "sex")


def born(*numbers: int) -> bytes:
    """demographics.csv of these users."""
    return csv(DEMOGRAPHICS, *((f"u{n}", "", "", "2015-03-04", "") for n in numbers))


def roster(*numbers: int) -> bytes:
    return district(people(*numbers), demographics=born(*numbers))


async def live(ingest: Ingest) -> set[str]:
    """Whose demographics are true at the moment."""
    rows = await ingest.pool.fetch(
        "SELECT entity_id FROM sis_ingest.resolved_record"
        " WHERE entity = 'demographics' AND NOT deleted"
    )
    return {row["entity_id"] for row in rows}


async def test_by_webhook_the_demographics_go_and_nothing_is_spent_of_their_budget(
    ingest: Ingest,
) -> None:
    await ingest.send("users.upserted", user("u1"))
    await ingest.send("users.upserted", user("u2"))
    for number in (1, 2):
        data = {"sourcedId": f"u{number}", "status": "active", "birthDate": "2015-03-04"}
        await ingest.send("demographics.upserted", data, at=1)
    await ingest.settled()
    assert await live(ingest) == {"u1", "u2"}

    await ingest.send("users.deleted", {"sourcedId": "u1"}, at=2)
    await ingest.settled()

    assert await live(ingest) == {"u2"}
    told = [event["type"] for event in await ingest.events()]
    assert told[-2:] == ["roster.user.tobedeleted.v1", "roster.demographics.tobedeleted.v1"]
    spent = await ingest.pool.fetch("SELECT entity, operation FROM sis_ingest.spent")
    assert {(row["entity"], row["operation"]) for row in spent} == {("user", "remove")}


async def test_what_is_newer_than_the_deletion_stays(ingest: Ingest) -> None:
    await ingest.send("users.upserted", user("u1"))
    data = {"sourcedId": "u1", "status": "active", "birthDate": "2015-03-04"}
    # Newer by more than a busy machine takes between two sendings.
    await ingest.send("demographics.upserted", data, at=900)
    await ingest.settled()

    await ingest.send("users.deleted", {"sourcedId": "u1"}, at=2)
    await ingest.settled()

    assert await live(ingest) == {"u1"}


async def test_a_user_that_nobody_knew_makes_no_record_of_demographics(ingest: Ingest) -> None:
    await ingest.send("users.deleted", {"sourcedId": "u1"})
    await ingest.settled()

    assert await ingest.value("SELECT count(*) FROM sis_ingest.source_record") <= 1


async def test_approving_the_users_alone_takes_their_demographics_out_of_their_own_hold(
    ingest: Ingest,
) -> None:
    await ingest.load(roster(*range(200)))
    await ingest.load(roster(*range(30, 200)))
    waiting = {hold["entity"]: hold for hold in (await holds(ingest))["holds"]}
    assert waiting.keys() == {"user", "demographics"}
    users = waiting["user"]

    await decide(ingest, users, "approve", itemsHash=users["itemsHash"])
    await released(ingest, users)

    assert await live(ingest) == {f"u{n}" for n in range(30, 200)}
    assert open_holds(await holds(ingest)) == []


async def test_a_held_user_keeps_the_demographics(ingest: Ingest) -> None:
    await ingest.load(roster(*range(100)))
    everybody = [f"u{n}" for n in range(100)]

    await ingest.load(district(people(*range(40, 100)), demographics=born(*range(100))))

    assert (await only_hold(ingest))["entity"] == "user"
    assert await live(ingest) == set(everybody)


async def test_a_file_that_still_lists_the_demographics_keeps_them_night_after_night(
    ingest: Ingest,
) -> None:
    await ingest.load(roster(*range(100)))

    for _night in range(2):
        await ingest.load(district(people(*range(1, 100)), demographics=born(*range(100))))

        assert len(await ingest.people()) == 99
        assert len(await live(ingest)) == 100


async def test_a_file_without_demographics_takes_those_of_its_leavers_along(
    ingest: Ingest,
) -> None:
    await ingest.load(roster(*range(100)))

    await ingest.load(district(people(*range(1, 100))))

    assert await live(ingest) == {f"u{n}" for n in range(1, 100)}


async def test_who_is_re_keyed_keeps_the_birth_date_until_the_person_goes(ingest: Ingest) -> None:
    def keyed(mark: str) -> bytes:
        people = [keyed_row(f"{mark}-{n}", f"no-{n}") for n in range(60)]
        return district(people, [enrollment_row(f"e{n}", f"{mark}-{n}") for n in range(60)])

    await ingest.load(keyed("old"))
    for number in range(60):
        data = {"sourcedId": f"old-{number}", "birthDate": "2015-03-04"}
        await ingest.send("demographics.upserted", data, at=1)
    await ingest.settled()
    authority = {"district": "d1", "source": "sis"}
    await ingest.http.put("/authority", json=authority, headers=token("approver"))

    await ingest.load(keyed("new"))
    assert len(await live(ingest)) == 60

    await ingest.send("users.deleted", {"sourcedId": "new-3"}, at=3700)
    await ingest.settled()
    assert "old-3" not in await live(ingest)
