"""Runs as operators see them: a list with counts, warnings for zero work, and how old successes are."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from roster_common.runtime.database import Database
from sis_ingest.domain.deliveries import Place
from tests.support.eventually import eventually
from tests.support.holding import roster
from tests.support.ingest_service import Ingest, running_ingest, token
from tests.support.ingesting import (
    CLASSES,
    COURSES,
    ENROLLMENTS,
    ORGS,
    SECRET,
    SESSIONS,
    USERS,
    csv,
    district,
    user,
    user_row,
)
from tests.support.truth import CourseFile, Truth

EMPTY = {
    "orgs": csv(ORGS), "academicSessions": csv(SESSIONS), "courses": csv(COURSES),
    "classes": csv(CLASSES), "users": csv(USERS), "enrollments": csv(ENROLLMENTS),
}  # fmt: skip


def codes(report: dict[str, Any]) -> set[str]:
    return {warning["code"] for warning in report["warnings"]}


async def runs(ingest: Ingest, query: str = "", *, districts: Any = "*") -> dict[str, Any]:
    answer = await ingest.http.get(f"/runs{query}", headers=token("viewer", districts))
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_a_whole_file_that_holds_nothing_is_warned_of_and_a_delta_is_not(
    ingest_url: str,
) -> None:
    database = Database(ingest_url, name="test", pool_size=2)
    truth = Truth(database=database, place=Place(district_id="d1", source_id="s1"))
    first = await truth.file(CourseFile(titles={"c1": "Art"}))
    again = await truth.file(CourseFile(titles={"c1": "Art"}))
    delta = await truth.file(CourseFile(titles={}, bulk=False))
    empty = await truth.file(CourseFile(titles={}))
    courses = await truth.courses()
    await database.close()

    for run in (first, again, delta):
        assert "nothing_read" not in {warning.code for warning in run.report.warnings}
    assert "nothing_read" in {warning.code for warning in empty.report.warnings}
    assert (empty.state, empty.reason) == ("completed", "nothing_read")
    assert courses == {"c1": "Art"}


async def test_a_file_of_which_every_row_was_refused_says_so(ingest: Ingest) -> None:
    nameless = [tuple(user_row("")) for _ in range(3)]
    report = await ingest.load(district(**{**EMPTY, "users": csv(USERS, *nameless)}))

    assert "nothing_changed" in codes(report)
    assert report["state"] == "refused"
    assert [(r["reason"], r["field"], r["count"]) for r in report["refusals"]] == [
        ("missing", "sourcedId", 3)
    ]


async def test_runs_are_listed_newest_first_by_district_source_and_state(ingest: Ingest) -> None:
    for source in ("files", "sis", "elsewhere"):
        await ingest.load(roster(1, 2), source=source)
    await ingest.load(b"no zip", source="files")

    every = await runs(ingest)
    assert [run["sourceId"] for run in every["runs"]] == ["files", "elsewhere", "sis", "files"]
    assert every["total"] == 4
    page = await runs(ingest, "?limit=1&offset=1")
    assert (page["total"], page["runs"][0]["sourceId"]) == (4, "elsewhere")
    assert (await runs(ingest, "?state=refused"))["total"] == 1
    assert (await runs(ingest, "?source=files&state=completed"))["total"] == 1
    assert (await runs(ingest, districts=["d2"]))["total"] == 1
    assert (await runs(ingest, "?offset=9"))["total"] == 4
    other = await ingest.http.get("/runs?district=d2", headers=token("viewer", ["d1"]))
    assert other.status_code == 404


async def ages(ingest: Ingest) -> dict[str, Any]:
    page = (await ingest.http.get("/readyz")).json()
    found: dict[str, Any] = page["checks"]["sources"]
    return found


async def counted(ingest: Ingest) -> bool:
    """Whether the loop of ages has been through with a success of the source."""
    page = await ingest.http.get("/metrics")
    return 'source_last_success_seconds{source="sis"}' in page.text


@pytest.mark.parametrize("how", ["webhook", "file"])
async def test_readiness_says_which_source_was_not_heard_of_for_too_long(
    ingest_url: str, tmp_path: Path, how: str
) -> None:
    sources = [
        {"id": "sis", "district": "d1", "secrets": [SECRET], "expectEverySeconds": 3600},
        {"id": "quiet", "district": "d1"},
    ]
    async with running_ingest(ingest_url, tmp_path, sources=sources) as ingest:
        never = await ages(ingest)
        if how == "webhook":
            await ingest.send("users.upserted", user("u1"))
            await ingest.settled()
        else:
            await ingest.load(roster(1, 2), source="sis")
    async with running_ingest(ingest_url, tmp_path, sources=sources) as ingest:
        fresh = await ages(ingest)
        await eventually(lambda: counted(ingest), what="the age of the source as a metric")
        await ingest.pool.execute("UPDATE sis_ingest.source_success SET at = at - interval '2 h'")
    async with running_ingest(ingest_url, tmp_path, sources=sources) as ingest:
        late = await ages(ingest)
        ready = await ingest.http.get("/readyz")

    assert (never["ok"], never["late"]) == (False, ["sis"])
    assert (fresh["ok"], fresh["late"]) == (True, [])
    assert fresh["sources"]["sis"]["lastSuccessSecondsAgo"] < 600
    last = datetime.fromisoformat(fresh["sources"]["sis"]["lastSuccessAt"])
    assert timedelta(0) <= datetime.now(UTC) - last < timedelta(minutes=10)
    quiet = fresh["sources"]["quiet"]
    assert (quiet["lastSuccessAt"], quiet["lastSuccessSecondsAgo"]) == (None, None)
    assert (late["ok"], late["late"], late["critical"]) == (False, ["sis"], False)
    assert ready.status_code == 200


async def test_a_read_that_held_nothing_is_no_success_and_no_first_load(ingest_url: str) -> None:
    database = Database(ingest_url, name="test", pool_size=2)
    truth = Truth(database=database, place=Place(district_id="d1", source_id="s1"))
    pool = await database.pool()
    empty = await truth.file(CourseFile(titles={}))
    never = await pool.fetchval("SELECT count(*) FROM sis_ingest.source_success")
    truth.clock.advance(1)
    first = await truth.file(CourseFile(titles={"c1": "Art"}))
    heard = await pool.fetchval("SELECT at FROM sis_ingest.source_success")
    truth.clock.advance(1)
    await truth.file(CourseFile(titles={}))
    still = await pool.fetchval("SELECT at FROM sis_ingest.source_success")
    await database.close()

    assert (empty.reason, never, first.origin) == ("nothing_read", 0, "firstload")
    assert still == heard


async def test_what_was_only_tried_out_or_refused_is_no_success(ingest: Ingest) -> None:
    answer = await ingest.http.post(
        "/snapshots/files?dryRun=true", content=roster(1, 2), headers=token()
    )
    await ingest.ended(answer.json()["runId"])
    await ingest.load(b"no zip", source="files")

    assert await ingest.value("SELECT count(*) FROM sis_ingest.source_success") == 0
