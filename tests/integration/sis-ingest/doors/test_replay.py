"""Deliveries said again: in their order, as new as they were, and without a second effect."""

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.holding import holds, roster
from tests.support.ingest_service import Ingest, running_ingest
from tests.support.ingesting import user
from tests.support.replaying import ask, ended, replayed, said, today

KEYS = [base64.b64encode(bytes([n] * 32)).decode() for n in range(2)]

USERS = st.sampled_from([f"u{n}" for n in range(4)])
NAMES = st.sampled_from(["Ada", "Bo"])
TIMES = st.integers(0, 20)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("said"), USERS, NAMES, TIMES),
        st.tuples(st.just("gone"), USERS, TIMES),
        st.tuples(st.just("file"), st.sets(st.integers(0, 3), min_size=1), NAMES),
    ),
    min_size=1,
    max_size=8,
)


async def truth(ingest: Ingest) -> tuple[Any, ...]:
    """All that is known and told, to be compared."""
    tables = [
        await ingest.pool.fetch(f"SELECT {columns} FROM sis_ingest.{table} ORDER BY 1, 2, 3")
        for table, columns in (
            ("resolved_record", "district_id, entity, entity_id, data::text, deleted, revision"),
            ("source_record", "source_id, entity, external_id, data::text, version, occurred_at"),
            ("crosswalk", "source_id, entity, external_id, entity_id, valid_from, valid_to"),
        )
    ]
    told = await ingest.value("SELECT count(*) FROM log.event WHERE topic = 'sis.changes'")
    return told, *([tuple(row) for row in rows] for rows in tables)


async def run_steps(ingest: Ingest, steps: list[Any]) -> None:
    for step in steps:
        match step:
            case ("said", one, name, at):
                await ingest.send("users.upserted", user(one, given=name), at=at, version=at)
            case ("gone", one, at):
                await ingest.send("users.deleted", {"sourcedId": one}, at=at, version=at)
            case ("file", numbers, name):
                await ingest.load(roster(*sorted(numbers), given=name))
    await ingest.settled()


@settings(
    max_examples=6,
    deadline=None,
    # An example costs seconds: shown as it was found.
    phases=[Phase.explicit, Phase.generate],
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
async def test_a_replay_of_everything_and_another_one_change_and_tell_nothing(
    ingest: Ingest, steps: list[Any]
) -> None:
    await run_steps(ingest, steps)
    before = await truth(ingest)

    rehearsal = await replayed(ingest, **today(), dryRun=True)
    first = await replayed(ingest, **today())
    second = await replayed(ingest, **today())

    assert await truth(ingest) == before
    assert first["total"] == first["unchanged"] + first["stale"] >= len(steps)
    assert said(rehearsal) == said(first) == said(second)


async def test_what_was_refused_for_want_of_its_key_is_applied_by_a_replay_with_it(
    ingest_url: str, tmp_path: Path
) -> None:
    async with running_ingest(ingest_url, tmp_path, body_keys=KEYS[:1]) as ingest:
        answer = await ingest.send("users.upserted", user("u1"))
        delivery = answer.json()
        await ingest.settled()
        for table in ("source_record", "resolved_record", "crosswalk"):
            await ingest.pool.execute(f"TRUNCATE sis_ingest.{table}")
    async with running_ingest(ingest_url, tmp_path, body_keys=KEYS[1:]) as ingest:
        without = await replayed(ingest, deliveryIds=[delivery["deliveryId"]])
    async with running_ingest(ingest_url, tmp_path, body_keys=KEYS) as ingest:
        rehearsal = await replayed(ingest, deliveryIds=[delivery["deliveryId"]], dryRun=True)
        assert await ingest.people() == {}
        report = await replayed(ingest, deliveryIds=[delivery["deliveryId"]])
        again = await replayed(ingest, deliveryIds=[delivery["deliveryId"]])
        told = (await ingest.events("k12.roster.user%"))[-1]
        assert await ingest.people() == {"u1": "Ada"}

    assert without["refusals"] == {"sealed": 1}
    assert said(rehearsal) == said(report) == {"total": 1, "read": 1, "changed": 1}
    assert said(again) == {"total": 1, "read": 1, "stale": 1}
    assert told["correlation"] == delivery["correlationId"]


async def test_an_older_file_as_of_now_is_a_rollback_that_passes_the_guards(
    ingest: Ingest,
) -> None:
    await ingest.load(roster(*range(60), given="Ada"))
    good = await ingest.value("SELECT delivery_id::text FROM sis_ingest.delivery")
    await ingest.load(roster(*range(55), *range(100, 130), given="Bo"))

    back = await replayed(ingest, deliveryIds=[good], asOf="now")

    assert said(back) == {"total": 1, "read": 1, "changed": 1}
    (hold,) = (await holds(ingest))["holds"]
    assert (hold["operation"], hold["count"]) == ("remove", 30)
    people = await ingest.people()
    assert {people[f"u{n}"] for n in range(60)} == {"Ada"}
    assert {people[f"u{n}"] for n in range(100, 130)} == {"Bo"}


async def test_an_older_file_in_a_replay_brings_nobody_back(ingest: Ingest) -> None:
    await ingest.load(roster(1, 2, 3, given="Ada"))
    await ingest.load(roster(1, 2, given="Bo"))
    old = await ingest.value("SELECT delivery_id::text FROM sis_ingest.delivery ORDER BY seq")
    before = await truth(ingest)

    report = await replayed(ingest, deliveryIds=[old])

    assert said(report) == {"total": 1, "read": 1, "unchanged": 1}
    assert await truth(ingest) == before


async def test_a_replay_that_cannot_go_on_leaves_no_run_open(ingest: Ingest) -> None:
    """A run that is at work for ever would keep its raw file, and its staged rows, for ever."""
    await ingest.load(roster(1, 2, 3))
    file = await ingest.value("SELECT delivery_id::text FROM sis_ingest.delivery")
    await ingest.pool.execute("ALTER TABLE sis_ingest.source_statement RENAME TO statement_gone")

    report = await replayed(ingest, deliveryIds=[file])

    assert (report["state"], report["reason"]) == ("failed", "unexpected_error")
    runs = await ingest.pool.fetch("SELECT state, reason FROM sis_ingest.run ORDER BY received_at")
    assert [tuple(run) for run in runs] == [("completed", None), ("failed", "unexpected_error")]
    assert await ingest.value("SELECT count(*) FROM sis_ingest.snapshot_row") == 0


async def test_what_was_only_tried_out_or_is_purged_is_not_said_again(ingest: Ingest) -> None:
    answer = await ingest.send("users.upserted", user("u1"))
    await ingest.settled()
    await ingest.pool.execute(
        "UPDATE sis_ingest.delivery SET body = NULL, purged_at = now() WHERE kind = 'webhook'"
    )
    await ingest.load(roster(1), source="sis-2")
    await ingest.pool.execute("UPDATE sis_ingest.run SET dry_run = true")

    purged = await replayed(ingest, deliveryIds=[answer.json()["deliveryId"]])
    tried = await replayed(ingest, **today("sis-2"))

    assert (said(purged), purged["refusals"]) == (
        {"total": 1, "read": 1, "refused": 1},
        {"purged": 1},
    )
    assert (said(tried), tried["reason"]) == ({}, "nothing_read")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, {}),
        (422, {"deliveryIds": [], "source": "sis"}),
        (422, {"deliveryIds": ["x"], **today()}),
        (422, {**today(), "asOf": "yesterday"}),
        (422, {**today(), "asOf": "now"}),
        (422, {**today(), "more": 1}),
        (404, {"deliveryIds": ["not-an-id"]}),
        (404, {"deliveryIds": ["01a21333-d340-7505-8f8d-8fc2c76bb079"]}),
        (404, {**today("elsewhere")}),
    ],
)
async def test_a_wish_that_means_nothing_is_refused_and_kept_nowhere(
    ingest: Ingest, status: int, body: dict[str, Any]
) -> None:
    answer = await ask(ingest, **body)

    assert answer.status_code == status, answer.text
    assert await ingest.value("SELECT count(*) FROM sis_ingest.replay") == 0


async def test_the_door_is_for_operators_of_the_district(ingest: Ingest) -> None:
    assert (await ask(ingest, role="viewer", **today())).status_code == 403


async def test_a_replay_that_cannot_go_on_yet_keeps_no_later_one_waiting(ingest: Ingest) -> None:
    for source in ("elsewhere", "sis"):
        await ingest.send("users.upserted", user("u1"), source=source)
    await ingest.settled()
    await ingest.pool.execute(
        "CREATE FUNCTION locked() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'not now' USING ERRCODE = 'lock_not_available'; END $$"
    )
    await ingest.pool.execute(
        "CREATE TRIGGER locked BEFORE UPDATE ON sis_ingest.replay FOR EACH ROW"
        " WHEN (NEW.district_id = 'd2' AND NEW.state <> 'waiting') EXECUTE FUNCTION locked()"
    )
    first = await ask(ingest, district="d2", **today("elsewhere"))
    assert first.status_code == 202, first.text

    report = await replayed(ingest, **today())

    assert said(report) == {"total": 1, "read": 1, "stale": 1}
    stuck = "SELECT state FROM sis_ingest.replay WHERE district_id = 'd2'"
    assert await ingest.value(stuck) == "waiting"
    await ingest.pool.execute("DROP TRIGGER locked ON sis_ingest.replay")
    assert said(await ended(ingest, first.json()["replayId"])) == said(report)
