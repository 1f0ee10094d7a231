"""Staff files and registrations through the doors: who comes, who goes, and who is known already."""

from typing import Any

import orjson

from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import envelope, user
from tests.support.tables import written

NAME = "Zaphod-Unmistakable"
# After what `envelope` says by itself.
AFTER = "2026-09-02T08:00:00Z"


def person(number: str, **more: str) -> dict[str, str]:
    return {
        "Employee ID": number, "First Name": "Ada", "Last Name": "Byron", "Site": "12",
        "Job Title": "Custodian", "Email": f"{number}@example.org", **more,
    }  # fmt: skip


def staff(*numbers: str) -> bytes:
    return written([person(number) for number in numbers])


def form(**more: Any) -> dict[str, Any]:
    return {
        "registrationId": "r1", "givenName": "Ada", "familyName": "Byron",
        "birthDate": "2020-12-10", "grade": "K", "school": "12", "startDate": "2026-08-17",
        "guardians": [
            {"givenName": "Anne", "familyName": "Milbanke", "email": "anne@example.org"}
        ], **more,
    }  # fmt: skip


def teacher(number: str) -> dict[str, Any]:
    record = {**user(f"sis-{number}", given="Augusta"), "identifier": number}
    record["roles"] = [{**record["roles"][0], "role": "teacher"}]
    return record


async def counts(report: dict[str, Any], entity: str = "user") -> tuple[int, ...]:
    found = report["counts"][entity]
    return tuple(found[name] for name in ("read", "changed", "unchanged", "refused", "missing"))


async def test_staff_come_go_and_stay_as_the_whole_file_says(ingest: Ingest) -> None:
    first = await ingest.load(staff("1", "2", "3"), source="hr")
    again = await ingest.load(staff("3", "1", "2"), source="hr")
    gone = await ingest.load(
        written([person("1"), person("2", **{"Employment Status": "Terminated"})]), source="hr"
    )

    assert first["state"] == "completed", first
    assert await counts(first) == (3, 3, 0, 0, 0)
    assert await counts(again) == (3, 0, 3, 0, 0)
    assert await counts(gone) == (2, 1, 1, 0, 1)
    assert await ingest.people() == {"staff-1": "Ada"}
    assert first["counts"]["org"]["read"] == 1
    sites = await ingest.value("SELECT count(*) FROM sis_ingest.resolved_record WHERE entity='org'")
    assert sites == 1


async def test_a_shrunken_file_removes_nobody_before_a_person_says_so(ingest: Ingest) -> None:
    many = [str(number) for number in range(60)]
    await ingest.load(staff(*many), source="hr")

    report = await ingest.load(staff(*many[:10]), source="hr")

    assert report["counts"]["user"]["missing"] == 50
    assert len(await ingest.people()) == 60
    page = await ingest.http.get("/holds", headers=token("viewer"))
    (hold,) = page.json()["holds"]
    assert (hold["entity"], hold["operation"], hold["count"]) == ("user", "remove", 50)


async def test_a_bad_row_is_named_and_its_person_is_not_missed(ingest: Ingest) -> None:
    many = [person(str(number)) for number in range(30)]
    await ingest.load(written(many), source="hr")
    many[4] = person("4", **{"Employment Status": NAME})

    report = await ingest.load(written(many), source="hr")

    (refusal,) = report["refusals"]
    assert (refusal["reason"], refusal["field"]) == ("unknown_status", "status")
    assert (refusal["count"], refusal["firstRow"]) == (1, 6)
    assert report["counts"]["user"]["missing"] == 0
    assert len(await ingest.people()) == 30
    assert NAME not in orjson.dumps(report).decode()


async def test_where_nobody_can_tell_whose_a_row_was_nobody_is_missed(ingest: Ingest) -> None:
    many = [person(str(number)) for number in range(30)]
    await ingest.load(written(many), source="hr")

    report = await ingest.load(written(many[1:29]) + b"broken,row\r\n", source="hr")

    assert report["state"] == "completed"
    assert report["counts"]["user"]["missing"] == 2
    assert len(await ingest.people()) == 30


async def test_a_file_that_is_none_changes_nothing_and_repeats_nothing(ingest: Ingest) -> None:
    await ingest.load(staff("1"), source="hr")

    for body in (written([{"Employee ID": "1", "First Name": NAME}]), f"1,{NAME},x,y".encode()):
        report = await ingest.load(body, source="hr")
        assert report["state"] == "refused"
        assert report["reason"] == "missing_column"
        assert NAME not in orjson.dumps(report).decode()
    assert await ingest.people() == {"staff-1": "Ada"}


async def test_who_is_in_the_sis_is_known_by_the_employees_number(ingest: Ingest) -> None:
    await ingest.send("users.upserted", teacher("1"))
    await ingest.settled()

    await ingest.load(staff("1", "2"), source="hr")

    assert await ingest.people() == {"sis-1": "Augusta", "staff-2": "Ada"}


async def test_the_sis_speaks_for_whom_it_has_also_when_it_comes_later(ingest: Ingest) -> None:
    await ingest.load(staff("1"), source="hr")

    await ingest.send("users.upserted", teacher("1"))
    await ingest.settled()
    assert await ingest.people() == {"staff-1": "Augusta"}

    await ingest.send("users.deleted", {"sourcedId": "sis-1"}, at=9)
    await ingest.settled()
    assert await ingest.people() == {"staff-1": "Ada"}


SCHOOL = {"sourcedId": "sis-oak", "name": "Oak", "type": "school", "identifier": "12"}


async def test_a_site_is_the_school_of_the_sis_with_the_same_number(ingest: Ingest) -> None:
    await ingest.send("orgs.upserted", SCHOOL)
    await ingest.settled()

    await ingest.load(staff("1"), source="hr")
    await register(ingest, "registrations.submitted", form(), 1)

    orgs = await ingest.pool.fetch(
        "SELECT entity_id, data->>'name' AS name FROM sis_ingest.resolved_record"
        " WHERE entity = 'org' AND NOT deleted"
    )
    assert [tuple(row) for row in orgs] == [("sis-oak", "Oak")]
    places = await ingest.pool.fetch(
        "SELECT DISTINCT data->'roles'->0->'org'->>'sourcedId' AS org"
        " FROM sis_ingest.resolved_record WHERE entity = 'user'"
    )
    assert [row["org"] for row in places] == ["sis-oak"]


async def test_an_employees_number_takes_no_students_id(ingest: Ingest) -> None:
    await ingest.load(staff("1"), source="hr")

    await ingest.send("users.upserted", user("1", given="Student"))
    await ingest.settled()

    assert await ingest.people() == {"staff-1": "Ada", "1": "Student"}


async def register(ingest: Ingest, kind: str, data: dict[str, Any], number: int) -> int:
    body = envelope(kind, data)
    answer = await ingest.post(body, source="forms", webhook_id=f"f{number}")
    await ingest.settled()
    return answer.status_code


async def test_a_registration_becomes_a_student_to_come_and_ends(ingest: Ingest) -> None:
    assert await register(ingest, "registrations.submitted", form(), 1) == 202

    assert await ingest.people() == {"registration-r1": "Ada", "registration-r1-1": "Anne"}
    told = {event["type"] for event in await ingest.events()}
    assert told == {
        "roster.org.upserted.v1", "roster.user.upserted.v1", "roster.demographics.upserted.v1",
    }  # fmt: skip
    closed = envelope("registrations.closed", {"registrationId": "r1"}, occurredAt=AFTER)
    answer = await ingest.post(closed, source="forms", webhook_id="f2")
    await ingest.settled()
    assert answer.status_code == 202
    assert await ingest.people() == {}


async def test_a_refused_form_names_its_field_and_nothing_of_it_is_kept(ingest: Ingest) -> None:
    body = envelope("registrations.submitted", form(givenName=NAME, birthDate=None))

    answer = await ingest.post(body, source="forms", webhook_id="f1")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "data.birthDate"
    assert NAME not in answer.text
    assert await ingest.value("SELECT count(*) FROM sis_ingest.delivery") == 0


async def test_a_student_of_the_sis_is_known_by_the_state_id_and_the_sis_speaks(
    ingest: Ingest,
) -> None:
    enrolled = {**user("sis-9", given="Ada Augusta"), "userMasterIdentifier": "S1"}
    await register(ingest, "registrations.submitted", form(stateId="S1"), 1)
    enabled = (
        "SELECT data->>'enabledUser' FROM sis_ingest.resolved_record"
        " WHERE entity = 'user' AND entity_id = $1"
    )
    assert await ingest.value(enabled, "registration-r1") == "false"

    await ingest.send("users.upserted", enrolled)
    await ingest.settled()
    assert await ingest.people() == {"registration-r1": "Ada Augusta", "registration-r1-1": "Anne"}
    assert await ingest.value(enabled, "registration-r1") == "true"

    closed = envelope("registrations.closed", {"registrationId": "r1"}, occurredAt=AFTER)
    await ingest.post(closed, source="forms", webhook_id="f2")
    await ingest.settled()
    assert await ingest.people() == {"registration-r1": "Ada Augusta"}


async def test_who_only_has_the_same_name_and_birth_date_is_suggested_to_a_person(
    ingest: Ingest,
) -> None:
    await register(ingest, "registrations.submitted", form(guardians=[]), 1)

    await ingest.send("users.upserted", user("sis-9"))
    await ingest.send(
        "demographics.upserted", {"sourcedId": "sis-9", "birthDate": "2020-12-10"}, at=1
    )
    await ingest.settled()

    assert sorted(await ingest.people()) == ["registration-r1", "sis-9"]
    page = await ingest.http.get(
        "/crosswalk/suggestions", params={"district": "d1"}, headers=token("viewer")
    )
    (found,) = page.json()["suggestions"]
    assert {found["id"], found["otherId"]} == {"registration-r1", "sis-9"}


async def test_a_file_of_registrations_adds_and_removes_nobody_it_does_not_name(
    ingest: Ingest,
) -> None:
    def row(number: str, **more: str) -> dict[str, str]:
        return {
            "Registration ID": number, "First Name": "Ada", "Last Name": "Byron",
            "DOB": "12/10/2020", "Grade": "K", "School Code": "12",
            "Desired Start": "08/17/2026", "Guardian First Name": "Anne",
            "Guardian Last Name": "Milbanke", "Guardian Phone": "555-0100", **more,
        }  # fmt: skip

    first = await ingest.load(written([row("r1"), row("r2")]), source="forms")
    second = await ingest.load(written([row("r2", Status="Withdrawn"), row("r3")]), source="forms")

    assert (first["state"], second["state"]) == ("completed", "completed"), (first, second)
    assert await counts(first) == (4, 4, 0, 0, 0)
    assert sorted(await ingest.people()) == [
        "registration-r1", "registration-r1-1", "registration-r3", "registration-r3-1",
    ]  # fmt: skip


async def test_a_source_of_files_alone_takes_no_webhook(ingest: Ingest) -> None:
    answer = await ingest.post(envelope("users.upserted", user("u1")), source="hr")

    assert answer.status_code == 404
    page = await ingest.http.get("/snapshots/none", headers=token("viewer"))
    assert page.status_code == 404
