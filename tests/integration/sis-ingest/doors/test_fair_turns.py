"""Runs of several sources: a long or stuck one keeps no other source waiting."""

from datetime import datetime
from pathlib import Path

from tests.support.eventually import eventually
from tests.support.holding import roster
from tests.support.ingest_service import Ingest, running_ingest, token
from tests.support.ingesting import user

PATIENT = {"lock_timeout_s": 300, "statement_timeout_s": 300}
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"


async def upload(ingest: Ingest, source: str) -> str:
    answer = await ingest.http.post(
        f"/snapshots/{source}", content=roster(*range(5)), headers=token()
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["runId"])


async def test_a_run_that_waits_for_its_district_keeps_no_other_source_waiting(
    ingest_url: str, tmp_path: Path
) -> None:
    async with (
        running_ingest(ingest_url, tmp_path, **PATIENT) as ingest,
        ingest.pool.acquire() as connection,
    ):
        async with connection.transaction():
            await connection.execute(LOCK, "sis_ingest/d1")
            stuck = await upload(ingest, "files")
            report = await ingest.ended(await upload(ingest, "elsewhere"), within_s=30)
            assert report["state"] == "completed"
            page = await ingest.http.get(f"/snapshots/{stuck}", headers=token("viewer"))
            assert page.json()["state"] in ("waiting", "running")

        assert (await ingest.ended(stuck))["state"] == "completed"


async def test_webhooks_that_cannot_be_applied_keep_no_other_source_waiting(
    ingest: Ingest,
) -> None:
    async with ingest.pool.acquire() as connection, connection.transaction():
        await connection.execute(LOCK, "sis_ingest/d2")
        await ingest.send("users.upserted", user("u1"), source="elsewhere")
        for number, source in enumerate(("sis", "sis-2", "sis", "sis-2")):
            who = {**user(f"{source}-{number}"), "identifier": f"no-{number}"}
            await ingest.send("users.upserted", who, source=source)

        async def applied() -> bool:
            return len(await ingest.people()) == 4

        await eventually(applied, within_s=30, what="the other district's webhooks are applied")
    await ingest.settled()
    assert "u1" in await ingest.people()


async def test_a_source_with_many_files_keeps_no_other_source_waiting(
    ingest_url: str, tmp_path: Path
) -> None:
    async with running_ingest(ingest_url, tmp_path, **PATIENT) as ingest:
        # Nothing is imported before all are there.
        async with ingest.pool.acquire() as connection, connection.transaction():
            for district in ("d1", "d2"):
                await connection.execute(LOCK, f"sis_ingest/{district}")
            many = [await upload(ingest, "files") for _ in range(6)]
            one = await upload(ingest, "elsewhere")

        ends = [(await ingest.ended(run))["finishedAt"] for run in [*many, one]]
        times = [datetime.fromisoformat(end) for end in ends]

    assert times[:6] == sorted(times[:6])
    assert times[6] < times[5]
