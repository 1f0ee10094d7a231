"""Raw deliveries are kept for 30 days and no longer, and nothing that waits is forgotten."""

import os
import time
from pathlib import Path
from typing import Any

from tests.support.eventually import eventually
from tests.support.holding import roster
from tests.support.ingest_service import Ingest, running_ingest
from tests.support.ingesting import user

DAY_S = 24 * 3600


async def aged(ingest: Ingest, *, days: float) -> None:
    """Everything delivered so far came `days` earlier."""
    await ingest.pool.execute(
        "UPDATE sis_ingest.delivery SET received_at = received_at - make_interval(secs => $1)",
        days * DAY_S,
    )


async def deliveries(ingest: Ingest) -> dict[str, tuple[Any, ...]]:
    """By kind and sender's id: (state, whether a body is here, whether it was purged)."""
    rows = await ingest.pool.fetch(
        "SELECT kind, external_id, state, body IS NOT NULL AS body, purged_at FROM"
        " sis_ingest.delivery ORDER BY seq"
    )
    return {
        row["external_id"] if row["kind"] == "webhook" else "file": (
            row["state"],
            row["body"],
            row["purged_at"] is not None,
        )
        for row in rows
    }


def files(folder: Path) -> list[Path]:
    """Raw files that are kept."""
    return sorted((folder / "data" / "snapshots").glob("*"))


async def purged(ingest: Ingest) -> None:
    """Returns when the loop has been through once more."""

    async def through() -> bool:
        page = await ingest.http.get("/metrics")
        return "loop_running" in page.text and await _quiet(ingest)

    await eventually(through, within_s=20, what="the purge")


async def _quiet(ingest: Ingest) -> bool:
    due = await ingest.value(
        "SELECT count(*) FROM sis_ingest.delivery d WHERE state <> 'waiting' AND purged_at IS NULL"
        " AND received_at < now() - interval '30 days' AND NOT EXISTS (SELECT FROM"
        " sis_ingest.hold_item i WHERE i.delivery_id = d.delivery_id)"
    )
    return not due


async def test_what_is_older_than_30_days_is_forgotten_but_for_ids_times_and_outcome(
    ingest_url: str, tmp_path: Path
) -> None:
    async with running_ingest(ingest_url, tmp_path) as ingest:
        await ingest.send("users.upserted", user("u1"))
        await ingest.settled()
        await ingest.load(roster(1, 2), source="elsewhere")
        await aged(ingest, days=30.1)
        await ingest.send("users.upserted", user("u2"))
        await ingest.settled()
        await ingest.load(roster(1, 2), source="sis-2")
        young = await ingest.value(
            "SELECT run_id::text FROM sis_ingest.run ORDER BY received_at DESC LIMIT 1"
        )
        assert len(files(tmp_path)) == 2
    async with running_ingest(ingest_url, tmp_path) as ingest:
        await purged(ingest)
        rows = await ingest.pool.fetch(
            "SELECT state, reason, body IS NULL AS empty, purged_at IS NOT NULL AS purged"
            " FROM sis_ingest.delivery ORDER BY seq"
        )

    assert [tuple(row) for row in rows] == [
        ("applied", "new", True, True),
        ("applied", "changed", True, True),
        ("applied", "new", False, False),
        ("applied", "changed", True, False),
    ]
    assert [file.stem for file in files(tmp_path)] == [young]


async def test_what_stands_behind_a_hold_is_kept_and_what_waits_for_no_source_is_refused(
    ingest_url: str, tmp_path: Path
) -> None:
    async with running_ingest(ingest_url, tmp_path) as ingest:
        await ingest.load(roster(*range(60)))
        report = await ingest.load(roster(*range(20)))
        assert len(report["holds"]) == 1
        for name in ("u100", "u101"):
            await ingest.send("users.upserted", user(name), source="elsewhere")
        await ingest.settled()
        await ingest.pool.execute(
            "UPDATE sis_ingest.delivery SET state = 'waiting', applied_at = NULL,"
            " source_id = 'not-configured' WHERE external_id = 'm1'"
        )
        await aged(ingest, days=400)
    async with running_ingest(ingest_url, tmp_path) as ingest:
        await purged(ingest)
        found = await deliveries(ingest)
        held = await ingest.value(
            "SELECT file_name FROM sis_ingest.run WHERE run_id = $1::uuid", report["runId"]
        )

    assert found == {
        "m1": ("refused", False, True),
        "m2": ("applied", False, True),
        "file": ("applied", False, False),
    }
    assert [file.stem for file in files(tmp_path)] == [held]


async def test_a_file_that_waits_for_no_source_is_forgotten_in_time(
    ingest_url: str, tmp_path: Path
) -> None:
    async with running_ingest(ingest_url, tmp_path) as ingest:
        await ingest.load(roster(1, 2))
        await ingest.pool.execute(
            "UPDATE sis_ingest.run SET state = 'running', finished_at = NULL, source_id = 'gone',"
            " received_at = received_at - interval '31 d'"
        )
        await ingest.pool.execute("UPDATE sis_ingest.delivery SET state = 'waiting'")
        await aged(ingest, days=31)
    async with running_ingest(ingest_url, tmp_path) as ingest:

        async def forgotten() -> bool:
            return (await deliveries(ingest))["file"] == ("refused", False, True)

        await eventually(forgotten, within_s=20, what="the purge")
        run = await ingest.pool.fetchrow("SELECT state, reason FROM sis_ingest.run")

    assert (tuple(run), files(tmp_path)) == (("failed", "unknown_source"), [])


async def test_what_a_replay_has_still_to_say_is_kept(ingest_url: str, tmp_path: Path) -> None:
    async with running_ingest(ingest_url, tmp_path) as ingest:
        await ingest.send("users.upserted", user("u1"))
        await ingest.settled()
        # A replay that ended without its last line: nothing works on it, and it names its delivery.
        await ingest.pool.execute(
            "WITH r AS (INSERT INTO sis_ingest.replay SELECT 'd1', gen_random_uuid(), 'c', 'test',"
            " false, NULL, 'failed', now(), now(), now(), 1 RETURNING replay_id)"
            " INSERT INTO sis_ingest.replay_item SELECT 'd1', r.replay_id, 1, d.delivery_id"
            " FROM r, sis_ingest.delivery d"
        )
        await ingest.send("users.upserted", user("u2"))
        await ingest.settled()
        await aged(ingest, days=31)
    async with running_ingest(ingest_url, tmp_path) as ingest:

        async def second_is_gone() -> bool:
            return (await deliveries(ingest))["m2"][2]

        await eventually(second_is_gone, within_s=20, what="the purge")
        assert (await deliveries(ingest))["m1"] == ("applied", True, False)


async def test_raw_files_are_nobody_elses_on_the_machine(ingest: Ingest, tmp_path: Path) -> None:
    await ingest.load(roster(1, 2))

    assert (tmp_path / "data" / "snapshots").stat().st_mode & 0o077 == 0


async def test_a_file_that_no_run_knows_is_swept_after_a_day(
    ingest_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "snapshots"
    folder.mkdir(parents=True)
    names = [f"01a21333-d340-7505-8f8d-8fc2c76bb07{n}" for n in range(3)]
    old, part, young = (
        folder / f"{names[0]}.raw",
        folder / f"{names[1]}.part",
        folder / f"{names[2]}.raw",
    )
    foreign = folder / "readme.txt"
    for file in (old, part, young, foreign):
        file.write_bytes(b"x")
    for file in (old, part, foreign):
        os.utime(file, (time.time() - DAY_S - 60,) * 2)

    async with running_ingest(ingest_url, tmp_path):
        await eventually(lambda: _gone(old, part), within_s=20, what="the sweep")

    assert files(tmp_path) == sorted([young, foreign])


async def _gone(*paths: Path) -> bool:
    return not any(path.exists() for path in paths)
