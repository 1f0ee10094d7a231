"""OneRoster CSV packages, from the door to the log."""

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import (
    ENROLLMENTS,
    USERS,
    csv,
    district,
    enrollment_row,
    package,
    user,
    user_row,
)

GENERATED = Path(__file__).parents[5] / "shared/data/oneroster/generated-district"


def people(count: int, *, changed: frozenset[int] = frozenset()) -> list[tuple[str, ...]]:
    return [
        tuple(user_row(f"u{n}", given="Changed" if n in changed else "Ada")) for n in range(count)
    ]


def enrolled(count: int) -> list[tuple[str, ...]]:
    return [tuple(enrollment_row(f"e{n}", f"u{n}")) for n in range(count)]


async def total(ingest: Ingest, table: str) -> int:
    return await ingest.value(f"SELECT count(*) FROM sis_ingest.{table}")


async def test_a_first_package_is_told_as_a_first_load(ingest: Ingest) -> None:
    report = await ingest.load(district())

    assert (report["state"], report["origin"], report["percent"]) == ("completed", "firstload", 100)
    assert {e: c["changed"] for e, c in report["counts"].items()} == {
        "org": 2, "academicSession": 1, "course": 1, "class": 1, "user": 2, "enrollment": 2,
    }  # fmt: skip
    events = await ingest.events()
    assert {event["origin"] for event in events} == {"firstload"}
    assert {event["correlation"] for event in events} == {report["correlationId"]}
    assert [event["type"].split(".")[1] for event in events] == [
        "org", "org", "academicSession", "course", "class", "user", "user", "enrollment",
        "enrollment",
    ]  # fmt: skip
    assert [e["type"] for e in await ingest.events("k12.sis.snapshot%")] == [
        "sis.snapshot.started.v1",
        "sis.snapshot.completed.v1",
    ]
    assert await total(ingest, "snapshot_row") == 0


async def test_the_same_rows_shuffled_and_zipped_again_change_nothing(ingest: Ingest) -> None:
    rows, enrollments = people(50), enrolled(50)
    await ingest.load(district(rows, enrollments))
    before = await ingest.events()
    random.Random(7).shuffle(rows)
    random.Random(8).shuffle(enrollments)

    report = await ingest.load(district(rows, enrollments))

    assert (report["state"], report["origin"]) == ("completed", "snapshot")
    assert report["reason"] == "nothing_changed"
    assert sum(c["unchanged"] for c in report["counts"].values()) == 105
    assert await ingest.events() == before


async def test_only_what_changed_is_told(ingest: Ingest) -> None:
    await ingest.load(district(people(50), enrolled(50)))
    before = len(await ingest.events())

    report = await ingest.load(district(people(50, changed=frozenset({3, 40})), enrolled(50)))

    assert report["counts"]["user"] == {
        "read": 50, "changed": 2, "unchanged": 48, "refused": 0, "missing": 0,
    }  # fmt: skip
    events = (await ingest.events())[before:]
    assert {e["data"]["record"]["sourcedId"] for e in events} == {"u3", "u40"}
    assert [e["data"]["changed"] for e in events] == [["givenName"], ["givenName"]]
    assert {e["origin"] for e in events} == {"snapshot"}


async def test_a_user_who_is_absent_from_a_whole_file_is_removed(ingest: Ingest) -> None:
    await ingest.load(district(people(50), enrolled(50)))

    report = await ingest.load(district(people(49), enrolled(50)))

    assert report["counts"]["user"]["missing"] == 1
    assert report["removals"]["byEntity"]["user"] == {
        "missing": 1, "applied": 1, "held": 0, "skipped": 0,
    }  # fmt: skip
    assert set(await ingest.people()) == {f"u{n}" for n in range(49)}


async def test_enrollments_of_one_person_land_together(ingest: Ingest) -> None:
    rows = [enrollment_row(f"e{n}", f"u{n % 3}") for n in range(12)]

    await ingest.load(district(people(3), rows))

    users = [
        event["data"]["record"]["user"]["sourcedId"]
        for event in await ingest.events("k12.roster.enrollment%")
    ]
    assert users == ["u0"] * 4 + ["u1"] * 4 + ["u2"] * 4


async def test_a_webhook_after_the_package_counts_and_one_from_before_does_not(
    ingest: Ingest,
) -> None:
    await ingest.load(district(people(2)))
    await ingest.send("users.upserted", user("u0", given="Late"), at=0)
    await ingest.send("users.upserted", user("u1", given="New"), at=3601)
    await ingest.settled()

    assert await ingest.people() == {"u0": "Ada", "u1": "New"}


async def test_a_package_repairs_what_lost_webhooks_left_behind(ingest: Ingest) -> None:
    await ingest.send("users.upserted", user("u0", given="Lost since"), at=0)
    await ingest.settled()

    report = await ingest.load(district(people(2)))

    assert report["origin"] == "firstload"
    assert await ingest.people() == {"u0": "Ada", "u1": "Ada"}


async def test_a_few_bad_rows_are_left_out_and_counted_once_per_reason(ingest: Ingest) -> None:
    rows = people(60)
    bad = list(rows[10])
    bad[USERS.index("role")] = "wizard"
    again = rows[20]

    report = await ingest.load(district([*rows[:10], tuple(bad), *rows[11:], again], enrolled(60)))

    assert report["state"] == "completed"
    assert report["counts"]["user"]["refused"] == 2
    assert {(r["file"], r["field"], r["count"], r["firstRow"]) for r in report["refusals"]} == {
        ("users.csv", "roles.0.role", 1, 12),
        ("users.csv", "sourcedId", 1, 62),
    }
    assert len(await ingest.people()) == 59


async def test_too_many_bad_rows_refuse_the_run_and_nothing_is_written(ingest: Ingest) -> None:
    rows = [tuple(user_row(f"u{n}", role="wizard" if n < 4 else "student")) for n in range(60)]

    report = await ingest.load(district(rows))

    assert (report["state"], report["reason"]) == ("refused", "too_many_bad_rows")
    assert report["problems"] == [{"code": "too_many_bad_rows", "file": "users.csv"}]
    for table in ("source_record", "resolved_record", "crosswalk", "snapshot_row"):
        assert await total(ingest, table) == 0
    assert await ingest.events() == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"no zip", {"code": "not_a_zip"}),
        (package({"../orgs.csv": b""}), {"code": "path_traversal", "file": "../orgs.csv"}),
        (district(users=None), {"code": "missing_file", "file": "users.csv"}),
        (district(users=b""), {"code": "empty_file", "file": "users.csv"}),
        (
            district(users=csv(USERS[1:], user_row("u1")[1:])),
            {"code": "missing_column", "file": "users.csv", "row": 1, "column": "sourcedId"},
        ),
        (
            district(enrollments=csv(ENROLLMENTS, enrollment_row("e", "u1")[:-1])),
            {"code": "ragged_row", "file": "enrollments.csv", "row": 2},
        ),
        (district(users=csv(USERS)), {"code": "empty_collection", "file": "users.csv"}),
    ],
    ids=["no_zip", "traversal", "no_file", "empty", "header", "ragged", "no_rows"],
)
async def test_a_bad_package_is_refused_by_file_and_what_stood_before_stays(
    ingest: Ingest, body: bytes, problem: dict[str, object]
) -> None:
    await ingest.load(district(people(2)))
    before = await ingest.events()

    report = await ingest.load(body)

    assert report["state"] == "refused"
    assert problem in report["problems"]
    assert await ingest.events() == before
    failed = (await ingest.events("k12.sis.snapshot.failed%"))[0]
    assert failed["data"]["reason"] == report["reason"]
    assert await total(ingest, "snapshot_row") == 0


async def test_the_next_good_package_after_a_refused_one_is_still_a_first_load(
    ingest: Ingest,
) -> None:
    await ingest.load(b"no zip")

    assert (await ingest.load(district()))["origin"] == "firstload"


async def test_only_operators_of_the_district_may_send_and_read(ingest: Ingest) -> None:
    async def status(headers: dict[str, str], source: str = "sis") -> int:
        answer = await ingest.http.post(f"/snapshots/{source}", content=district(), headers=headers)
        return answer.status_code

    assert await status({}) == 401
    assert await status(token("viewer")) == 403
    assert await status(token("operator", ["d2"])) == 404
    assert await status(token("operator"), "nobody") == 404
    report = await ingest.load(district())
    page = f"/snapshots/{report['runId']}"
    assert (await ingest.http.get(page)).status_code == 401
    assert (await ingest.http.get(page, headers=token("viewer", ["d2"]))).status_code == 404
    assert (await ingest.http.get(page, headers=token("viewer", ["d1"]))).status_code == 200
    assert (await ingest.http.get("/snapshots/x", headers=token("viewer"))).status_code == 404


@pytest.mark.parametrize("as_of", ["2026-09-01T08:00:00", "2999-01-01T00:00:00Z", "soon"])
async def test_the_moment_a_package_speaks_of_has_a_zone_and_is_past(
    ingest: Ingest, as_of: str
) -> None:
    answer = await ingest.http.post(
        "/snapshots/sis", params={"asOf": as_of}, content=district(), headers=token()
    )

    assert answer.status_code == 422
    assert "asOf" in {error["field"] for error in answer.json()["errors"]}


async def test_everything_is_said_again_on_request_by_an_admin_alone(ingest: Ingest) -> None:
    await ingest.load(district(people(3), enrolled(3)))
    before = len(await ingest.events())

    refused = await ingest.http.post("/republish?district=d1", headers=token("operator"))
    answer = await ingest.http.post("/republish?district=d1", headers=token("admin"))

    assert refused.status_code == 403
    assert (answer.status_code, answer.json()["upserted"]) == (200, 11)
    again = (await ingest.events())[before:]
    assert {event["origin"] for event in again} == {"republish"}
    assert {event["correlation"] for event in again} == {answer.json()["correlationId"]}
    assert Counter(event["type"] for event in again)["roster.user.upserted.v1"] == 3


@pytest.mark.skipif(not GENERATED.is_dir(), reason="the rosters made by others are not here")
@pytest.mark.timeout(600)
async def test_a_full_size_district_made_by_others_imports_whole(ingest: Ingest) -> None:
    (path,) = GENERATED.glob("*.zip")

    answer = await ingest.http.post("/snapshots/sis", content=path.read_bytes(), headers=token())
    report = await ingest.ended(answer.json()["runId"], within_s=500)

    assert report["state"] == "completed"
    assert {entity: counts["changed"] for entity, counts in report["counts"].items()} == {
        "org": 31, "academicSession": 3, "course": 300, "class": 600, "user": 15_300,
        "demographics": 15_000, "enrollment": 71_626,
    }  # fmt: skip
    assert report["refusals"] == []
    assert (
        await ingest.value("SELECT count(*) FROM log.event WHERE topic = 'sis.changes'") == 102_860
    )
