"""What a file says by leaving records out, and when it says nothing; files that are only tried."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.support.eventually import eventually
from tests.support.holding import holds, one_class, people, roster
from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import COURSES, USERS, csv, district, manifest, package, user


async def test_a_newer_webhook_than_the_file_protects_its_record(ingest: Ingest) -> None:
    await ingest.load(roster(*range(10)))
    await ingest.send("users.upserted", user("new"), at=3601)
    await ingest.settled()
    hour_ago = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
    answer = await ingest.http.post(
        "/snapshots/sis", params={"asOf": hour_ago}, content=roster(*range(10)), headers=token()
    )

    report = await ingest.ended(answer.json()["runId"])

    assert "new" in await ingest.people()
    assert report["removals"]["byEntity"]["user"]["skipped"] == 1


def delta(*rows: tuple[str, ...]) -> bytes:
    return package(
        {
            "manifest.csv": manifest("1.1", {"users": "delta"}),
            "users.csv": csv(USERS, *rows),
        }
    )


def nameless_and_wrong() -> bytes:
    """One row has no id, and another fault, which is found first."""
    rows = people(*range(60))
    bad = list(rows[30])
    bad[0], bad[USERS.index("enabledUser")] = "", "perhaps"
    return district([*rows[:30], tuple(bad), *rows[31:]], one_class(*range(3)))


def one_bad_row() -> bytes:
    rows = people(*range(1, 60))
    bad = list(rows[30])
    bad[USERS.index("role")] = "wizard"
    bad[0] = ""
    return district([*rows[:30], tuple(bad), *rows[31:]], one_class(*range(3)))


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        (delta(*people(1)), None),
        (one_bad_row(), {"code": "removals_skipped", "file": "users.csv"}),
        (nameless_and_wrong(), {"code": "removals_skipped", "file": "users.csv"}),
        (
            district(people(*range(60)), one_class(*range(3)), courses=csv(COURSES)),
            {"code": "empty_collection", "file": "courses.csv"},
        ),
        (district(people(*range(60)), users=csv(USERS)), None),
    ],
    ids=["delta", "unreadable_row", "nameless_row", "header_only", "refused"],
)
async def test_what_is_not_a_whole_collection_removes_nothing(
    ingest: Ingest, body: bytes, warning: dict[str, str] | None
) -> None:
    await ingest.load(roster(*range(60)))
    before = await ingest.events()

    report = await ingest.load(body)

    assert await ingest.events() == before
    assert report["removals"]["applied"] == report["removals"]["held"] == 0
    assert warning is None or warning in report["warnings"]
    assert (await holds(ingest, "?state=all"))["total"] == 0


async def test_a_late_delta_holds_nothing_that_a_newer_whole_file_names(ingest: Ingest) -> None:
    async def load(body: bytes, hours: int) -> dict[str, Any]:
        as_of = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
        answer = await ingest.http.post(
            "/snapshots/sis", params={"asOf": as_of}, content=body, headers=token()
        )
        return await ingest.ended(answer.json()["runId"])

    await load(roster(*range(100)), 3)
    await load(roster(*range(100)), 1)
    gone = [(row[0], "tobedeleted", "2026-09-01T00:00:00Z", *row[3:]) for row in people(*range(40))]

    report = await load(delta(*gone), 2)

    assert report["counts"]["user"]["refused"] == 0
    assert (report["removals"]["applied"], report["removals"]["held"]) == (0, 0)
    assert (await holds(ingest, "?state=all"))["total"] == 0
    assert len(await ingest.people()) == 100


async def test_rows_that_a_crash_of_the_database_took_are_not_missed(ingest: Ingest) -> None:
    await ingest.load(roster(*range(20)))
    async with ingest.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('sis_ingest/d1', 0))"
        )
        answer = await ingest.http.post(
            "/snapshots/sis", content=roster(*range(21)), headers=token()
        )
        await eventually(
            partial(
                ingest.value,
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
            ),
            within_s=20,
            what="the staged run waits for its turn",
        )
        # What recovery does to unlogged tables.
        await connection.execute("TRUNCATE sis_ingest.snapshot_row, sis_ingest.snapshot_stage")

    report = await ingest.ended(answer.json()["runId"])

    assert set(await ingest.people()) == {f"u{n}" for n in range(21)}
    assert (report["state"], report["removals"]["missing"]) == ("completed", 0)


async def test_a_row_that_is_there_and_cannot_be_read_is_not_missed(ingest: Ingest) -> None:
    await ingest.load(roster(*range(60)))
    rows = people(*range(1, 60))
    bad = list(rows[30])
    bad[USERS.index("role")] = "wizard"

    report = await ingest.load(district([*rows[:30], tuple(bad), *rows[31:]], one_class(*range(3))))

    assert report["counts"]["user"]["refused"] == 1
    assert set(await ingest.people()) == {f"u{n}" for n in range(1, 60)}


async def test_a_record_changed_by_a_webhook_is_put_back_by_the_same_file(ingest: Ingest) -> None:
    await ingest.load(roster(1, 2))
    await ingest.send("users.upserted", user("u1", given="Webhook"), at=3700)
    await ingest.settled()
    await ingest.pool.execute(
        "UPDATE sis_ingest.source_record SET occurred_at = occurred_at - interval '2 hours'"
    )
    await ingest.load(roster(1, 2))

    assert await ingest.people() == {"u1": "Ada", "u2": "Ada"}


async def test_a_dry_run_tells_what_would_be_and_does_nothing(ingest: Ingest) -> None:
    await ingest.load(district(people(*range(100)), one_class(*range(20))))
    before = (await ingest.events("%"), await ingest.people())

    answer = await ingest.http.post(
        "/snapshots/sis",
        params={"dryRun": "true"},
        content=district(people(*range(40, 101), given="Bea"), one_class(*range(5, 20))),
        headers=token(),
    )
    report = await ingest.ended(answer.json()["runId"])

    assert (report["state"], report["dryRun"]) == ("completed", True)
    assert report["removals"]["byEntity"]["user"] == {
        "missing": 40, "applied": 0, "held": 40, "skipped": 0,
    }  # fmt: skip
    assert report["removals"]["byEntity"]["enrollment"]["applied"] == 5
    assert report["additions"]["byEntity"]["user"] == {"applied": 1, "held": 0}
    assert report["counts"]["user"]["changed"] == 61
    assert (await ingest.events("%"), await ingest.people()) == before
    assert (await holds(ingest, "?state=all"))["total"] == 0
    assert await ingest.value("SELECT count(*) FROM sis_ingest.snapshot_row") == 0


async def test_a_dry_run_is_no_first_load(ingest: Ingest) -> None:
    await ingest.http.post("/snapshots/sis?dryRun=true", content=district(), headers=token())

    report = await ingest.load(district())

    assert report["origin"] == "firstload"
    assert report["counts"]["user"]["changed"] == 2
