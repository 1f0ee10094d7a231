"""What a crash between any two steps leaves: all or nothing, and after a restart all, once."""

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from tests.support.eventually import eventually
from tests.support.ingesting import (
    district,
    enrollment_row,
    envelope,
    keyed_row,
    user,
    user_row,
)
from tests.support.sis_process import Installation, Sis, exits


async def send_into_the_crash(sis: Sis, webhook_id: str) -> None:
    """A webhook to a process that may die before it answers."""
    body = envelope("users.upserted", user("u1"), at=sis.now())
    try:
        await sis.send(body, webhook_id=webhook_id)
    except httpx2.TransportError:
        return


async def crash(installation: Installation, marker: Path) -> None:
    """Returns when the doomed process has killed itself at its fail point."""
    assert await exits(installation.programs[-1]) == -9
    assert marker.exists()


async def kept(sis: Sis) -> int:
    """Deliveries of this source in the inbox."""
    return (await sis.counts())["delivery"]


@pytest.mark.parametrize(
    ("failpoint", "left"),
    [("ingest.accept.before_commit", 0), ("ingest.accept.after_commit", 1)],
)
async def test_a_webhook_cut_off_before_its_answer_and_sent_again_is_applied_once(
    installation: Installation, place: Sis, marker: Path, failpoint: str, left: int
) -> None:
    installation.start_doomed(failpoint, marker)
    await send_into_the_crash(place, "m1")
    await crash(installation, marker)
    assert await kept(place) == left
    assert await place.told() == []

    program = installation.start()
    answer = await place.send(envelope("users.upserted", user("u1")), webhook_id="m1")
    await place.applied()
    program.kill()

    (row,) = await place.rows(
        "SELECT delivery_id::text FROM sis_ingest.delivery WHERE district_id = $1", place.district
    )
    assert (answer.status_code, answer.json()["deliveryId"]) == (202, row["delivery_id"])
    assert await place.told() == ["user.upserted"]
    assert list(await place.resolved()) == ["u1"]


@pytest.mark.parametrize(
    ("failpoint", "told"),
    [("ingest.apply.before_commit", []), ("ingest.apply.after_commit", ["user.upserted"])],
)
async def test_a_webhook_answered_is_applied_once_whatever_happens_then(
    installation: Installation, place: Sis, marker: Path, failpoint: str, told: list[str]
) -> None:
    installation.start_doomed(failpoint, marker)
    await send_into_the_crash(place, "m1")
    await crash(installation, marker)
    assert await place.told() == told
    assert (await place.counts())["resolved_record"] == len(told)

    program = installation.start()
    await place.applied()
    program.kill()

    assert await place.told() == ["user.upserted"]
    assert len(await place.events("sis.runs")) == 1
    assert await kept(place) == 1


@pytest.mark.parametrize("failpoint", ["ingest.accept.before_commit", "ingest.accept.after_commit"])
async def test_every_webhook_answered_before_a_crash_is_kept_and_applied(
    installation: Installation, place: Sis, marker: Path, failpoint: str
) -> None:
    installation.start_doomed(f"{failpoint}@4", marker)
    answered: list[dict[str, str]] = []

    async def send(number: int) -> None:
        for turn in range(20):
            name = f"u{number}-{turn}"
            body = envelope("users.upserted", user(name), at=place.now())
            try:
                answer = await place.send(body, webhook_id=name)
            except httpx2.TransportError:
                return
            assert answer.status_code == 202
            answered.append({"id": answer.json()["deliveryId"], "user": name})

    await asyncio.gather(*(send(number) for number in range(8)))
    await crash(installation, marker)
    stood = await place.rows(
        "SELECT delivery_id::text AS id FROM sis_ingest.delivery WHERE district_id = $1",
        place.district,
    )
    assert len(answered) >= 3
    assert {one["id"] for one in answered} <= {row["id"] for row in stood}

    program = installation.start()
    await place.applied()
    program.kill()
    assert {one["user"] for one in answered} <= set(await place.resolved())


async def test_a_file_on_disk_without_its_run_is_no_run(
    installation: Installation, place: Sis, marker: Path
) -> None:
    installation.start_doomed("ingest.snapshot.file_synced", marker)
    with pytest.raises(httpx2.TransportError):
        await place.upload(district())
    await crash(installation, marker)
    assert await kept(place) == 0

    program = installation.start()
    report = await place.load(district())
    program.kill()

    assert (report["state"], report["origin"]) == ("completed", "firstload")
    assert (await place.told()).count("user.upserted") == 2
    assert await kept(place) == 1


async def test_a_run_cut_off_between_batches_is_taken_up_as_the_same_first_load(
    installation: Installation, place: Sis, marker: Path
) -> None:
    people = [user_row(f"u{n:04}") for n in range(1500)]
    rows = [enrollment_row(f"e{n:04}", f"u{n:04}") for n in range(1500)]
    body = district(people, rows)

    # Batches: orgs, sessions, courses and classes first, one each.
    installation.start_doomed("ingest.snapshot.after_batch@5", marker)
    run_id = (await place.upload(body)).json()["runId"]
    await crash(installation, marker)
    done = await place.told()
    assert done.count("user.upserted") == 1000
    assert "enrollment.upserted" not in done

    program = installation.start()
    report = await place.ended(run_id)
    program.kill()

    assert (report["state"], report["origin"]) == ("completed", "firstload")
    assert {e: (c["changed"], c["unchanged"]) for e, c in report["counts"].items()} == {
        "org": (2, 0),
        "academicSession": (1, 0),
        "course": (1, 0),
        "class": (1, 0),
        "user": (1500, 0),
        "enrollment": (1500, 0),
    }
    events = await place.events()
    names = [event["data"]["record"]["sourcedId"] for event in events]
    assert len(names) == len(set(names)) == 3005
    assert {event["origin"] for event in events} == {"firstload"}
    runs = [event["type"] for event in await place.events("sis.runs")]
    assert runs == ["snapshot.started", "snapshot.completed"]
    assert (await place.counts())["snapshot_row"] == 0


@pytest.mark.parametrize(
    ("failpoint", "gone"),
    [("ingest.release.before_commit", 0), ("ingest.release.after_batch", 1000)],
)
async def test_an_approval_once_given_is_carried_out_whole_and_once(
    installation: Installation, place: Sis, marker: Path, failpoint: str, gone: int
) -> None:
    people = [user_row(f"u{n:04}") for n in range(10)]
    rows = [enrollment_row(f"e{n:04}", "u0001") for n in range(4500)]
    program = installation.start()
    await place.load(district(people, rows))
    await place.load(district(people, rows[:3450]))
    program.kill()
    installation.start_doomed(failpoint, marker)
    (hold,) = (await place.get("/holds"))["holds"]
    assert (hold["entity"], hold["count"], hold["population"]) == ("enrollment", 1050, 4500)
    await place.approve(hold)
    await crash(installation, marker)
    told = await place.told()
    assert told.count("enrollment.tobedeleted") == gone

    program = installation.start()

    async def done() -> bool:
        page = await place.get(f"/holds/{hold['holdId']}")
        return page["endedAt"] is not None

    await eventually(done, within_s=60, what="the end of the release")
    page = await place.get(f"/holds/{hold['holdId']}")
    program.kill()
    assert (page["state"], page["released"]) == ("approved", 1050)
    assert (await place.told()).count("enrollment.tobedeleted") == 1050
    assert len(await place.resolved("enrollment")) == 3450


async def test_a_purge_cut_off_between_the_file_and_its_row_is_told_after_a_restart(
    installation: Installation, place: Sis, marker: Path
) -> None:
    program = installation.start()
    await place.load(district())
    program.kill()
    await place.database.execute(
        "UPDATE sis_ingest.delivery SET received_at = received_at - interval '31 days'"
        " WHERE district_id = $1",
        place.district,
    )
    installation.start_doomed("ingest.purge.before_commit@2", marker, at_once=True)
    await crash(installation, marker)
    purged = "SELECT purged_at FROM sis_ingest.delivery WHERE district_id = $1"
    assert await place.database.fetchval(purged, place.district) is None

    program = installation.start()

    async def told() -> bool:
        return await place.database.fetchval(purged, place.district) is not None

    await eventually(told, within_s=60, what="the row tells that the file is gone")
    program.kill()


async def speaks_from_now_on(place: Sis, source: str) -> None:
    """The district is given to a source; the process may die before it answers."""
    url = f"{place.installation.url}/authority"
    body = {"district": place.district, "source": source}
    try:
        answer = await place.http.put(url, json=body, headers=place.bearer("approver"))
    except httpx2.TransportError:
        return
    assert (answer.status_code, answer.json()["stopped"]) == (200, []), answer.text


async def flip_settled(place: Sis) -> None:
    async def settled() -> bool:
        return (await place.get(f"/authority?district={place.district}"))["flip"] is None

    await eventually(settled, within_s=60, what="the flip is settled")


@pytest.mark.parametrize(
    ("failpoint", "told"),
    [("ingest.flip.after_batch@6", 1000), ("ingest.flip.before_commit@7", 1000)],
)
async def test_a_flip_cut_off_is_taken_up_and_tells_everybody_once(
    installation: Installation, place: Sis, marker: Path, failpoint: str, told: int
) -> None:
    def people(prefix: str, given: str) -> bytes:
        rows = [keyed_row(f"{prefix}{n:04}", f"no-{n}", given=given) for n in range(1500)]
        return district(rows, [enrollment_row(f"{prefix}e", f"{prefix}0001")])

    other, program = place.beside(), installation.start()
    await place.load(people("a", "Ada"))
    for org in ("district-1", "school-1"):
        await place.rows(
            "INSERT INTO sis_ingest.crosswalk VALUES"
            " ($1, $2, 'org', $3, $3, 'test', 'rule', now(), NULL)",
            place.district,
            other.source,
            org,
        )
    await speaks_from_now_on(place, place.source)
    await flip_settled(place)
    await other.load(people("b", "Bea"))
    before = len(await place.told())
    program.kill()

    # The order itself is the first commit; then orgs, sessions, courses, classes and users.
    installation.start_doomed(failpoint, marker)
    await speaks_from_now_on(place, other.source)
    await crash(installation, marker)
    assert (await place.told())[before:].count("user.upserted") == told

    program = installation.start()
    await flip_settled(place)
    names = {record["givenName"] for record in (await place.resolved()).values()}
    program.kill()
    assert names == {"Bea"}
    passed = (await place.told())[before:]
    assert passed.count("user.upserted") == 1500
    assert (passed.count("enrollment.upserted"), passed.count("enrollment.tobedeleted")) == (1, 1)


async def test_a_replay_cut_off_between_batches_goes_on_and_counts_each_delivery_once(
    installation: Installation, place: Sis, marker: Path
) -> None:
    program = installation.start()
    for n in range(250):
        body = envelope("users.upserted", user(f"u{n:03}"), at=place.now())
        assert (await place.send(body)).status_code == 202
    await place.applied()
    program.kill()
    told = len(await place.told())
    for table in ("source_record", "resolved_record"):
        await place.database.execute(
            f"DELETE FROM sis_ingest.{table} WHERE district_id = $1", place.district
        )

    installation.start_doomed("ingest.replay.after_batch", marker)
    now = place.now()
    wish = {
        "district": place.district,
        "source": place.source,
        "from": (now - timedelta(hours=1)).isoformat(),
        "to": now.isoformat(),
    }
    answer = await place.http.post(f"{installation.url}/replay", json=wish, headers=place.bearer())
    await crash(installation, marker)
    assert len(await place.resolved()) == 200

    program = installation.start()

    async def end() -> dict[str, object] | None:
        page = await place.get(f"/replay/{answer.json()['replayId']}")
        return page if page["finishedAt"] else None

    report = await eventually(end, within_s=60, what="the replay ends")
    program.kill()
    assert (report["total"], report["changed"]) == (250, 250)
    assert len(await place.resolved()) == 250
    assert len(await place.told()) == told + 250


async def test_people_linked_and_not_yet_worded_anew_are_nobody_gone(
    installation: Installation, place: Sis, marker: Path
) -> None:
    def people(prefix: str) -> bytes:
        rows = [keyed_row(f"{prefix}{n:03}", f"no-{n}") for n in range(100)]
        return district(rows, [enrollment_row(f"e{n:03}", f"{prefix}{n:03}") for n in range(100)])

    program = installation.start()
    await place.load(people("a"))
    program.kill()

    # Orgs, sessions, courses and classes have no strangers: a look each, then the people.
    installation.start_doomed("ingest.snapshot.linked@5", marker)
    run_id = (await place.upload(people("b"))).json()["runId"]
    await crash(installation, marker)
    (left,) = await place.rows(
        "SELECT count(DISTINCT c.entity_id) AS living FROM sis_ingest.crosswalk c"
        " JOIN sis_ingest.source_record r USING (district_id, source_id, entity, external_id)"
        " WHERE c.district_id = $1 AND c.entity = 'user' AND c.valid_to IS NULL AND NOT r.deleted",
        place.district,
    )
    assert left["living"] == 100

    program = installation.start()
    report = await place.ended(run_id)
    program.kill()
    assert [warning["code"] for warning in report["warnings"]] == ["many_key_changes"]
    assert "user.tobedeleted" not in await place.told()
    assert len(await place.resolved()) == 100
