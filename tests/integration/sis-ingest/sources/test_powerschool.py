"""PowerSchool against its emulator: pulls, notifications that only hint, data versions as the net."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from sis_ingest.sources.powerschool.verify import echoed_key, path_token
from tests.support.emulators import Emulator, emulator
from tests.support.eventually import eventually
from tests.support.ingest_service import PUBLIC_KEY
from tests.support.powerschool import (
    SECRET,
    agrees,
    door,
    office,
    office_seats,
    people,
    powerschool_source,
    repaired,
    seats,
)
from tests.support.processes import start_service
from tests.support.pulling import oneroster_source, pulling, sourced_ids


@pytest.fixture(params=["json"])
def notify(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def school(tmp_path_factory: pytest.TempPathFactory, notify: str) -> Iterator[Emulator]:
    folder = tmp_path_factory.mktemp("powerschool")
    with emulator("powerschool", "--students", "40", "--notify", notify, folder=folder) as running:
        yield running


async def test_a_full_pull_brings_the_district_and_a_second_one_nothing_new(
    school: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, powerschool_source(school)) as puller:
        report = await puller.pull()

        assert report["refusals"] == []
        assert report["warnings"] == []
        assert await people(puller) == office(school)
        assert await seats(puller) == office_seats(school)
        sections = len(school.truth("sections", limit=10_000)["records"])
        assert report["counts"]["class"]["read"] == sections

        assert (await puller.pull())["reason"] == "nothing_changed"


async def test_pages_are_never_larger_than_the_administrator_allows(
    url: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("powerschool")
    with emulator("powerschool", "--students", "20", "--page-max", "7", folder=folder) as small:
        async with pulling(url, tmp_path, powerschool_source(small)) as puller:
            await puller.pull()

            assert await agrees(puller, small)
        assert "400" not in small.evidence()["answers"]


async def test_a_throttle_nobody_states_is_found_and_kept(
    url: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("powerschool")
    arguments = ("--students", "5", "--min-interval-ms", "20")
    with emulator("powerschool", *arguments, folder=folder) as slow:
        async with pulling(url, tmp_path, powerschool_source(slow)) as puller:
            await puller.pull()

            assert await agrees(puller, slow)
        evidence = slow.evidence()
        answered = sum(n for status, n in evidence["answers"].items() if status == "200")
        assert evidence["refusals"].get("throttled", 0) < answered / 2


@pytest.mark.parametrize("notify", ["json", "json-nested", "xml"], indirect=True)
async def test_what_a_clerk_types_arrives_by_a_hint(
    school: Emulator, url: str, tmp_path: Path
) -> None:
    async with door() as outside:
        callback = {"callbackUrl": f"{outside.address}/webhooks/ps"}
        source = powerschool_source(school, options=callback)
        async with pulling(url, tmp_path, source) as puller:
            outside.opens_to(puller)
            await puller.pull()
            await repaired(puller)
            pupil = school.truth("students", limit=1)["records"][0]["dcid"]
            school.do(f"students/{pupil}/name", familyName="Renamed")
            school.do("students", givenName="Ada", familyName="Made-up")
            other = school.truth("students", limit=3)["records"][2]["dcid"]
            school.do(f"students/{other}/withdraw")
            school.do("staff", givenName="New", familyName="Teacher")

            async def same() -> bool:
                return await agrees(puller, school)

            await eventually(same, within_s=30, what="every deed has arrived")
        assert school.evidence()["notifications"].get("refused", 0) == 0


async def test_lost_notifications_are_made_up_for_by_the_next_data_version(
    school: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, powerschool_source(school)) as puller:
        await puller.pull()
        pupil = school.truth("students", limit=1)["records"][0]["dcid"]
        school.do(f"students/{pupil}/name", familyName="Renamed")
        school.do("students", givenName="Ada", familyName="Made-up")
        other = school.truth("students", limit=3)["records"][2]["dcid"]
        school.do(f"students/{other}/delete")
        school.forget()

        report = await puller.pull("delta")

        assert await people(puller) == office(school)
        assert await seats(puller) == office_seats(school)
        assert report["counts"]["user"]["read"] == 3
        asked = school.evidence()["requests"]
        assert not any("district/student" in path for path in asked)


def knock(event: str, *, key: str | None = None) -> bytes:
    told = key or echoed_key(SECRET)
    return f'{{"key": "{told}", "event_type": "UPDATE", {event}}}'.encode()


STUDENT = '"entity": "student", "id": 1'


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/webhooks/ps", knock(STUDENT), 404, None),
        (f"/webhooks/ps/{path_token('x' * 20)}", knock(STUDENT), 401, "token"),
        ("{right}", knock(STUDENT, key="wrong"), 401, "key"),
        ("{right}", b"{", 401, "key"),
        ("{right}", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', 401, "key"),
        ("{right}", knock('"entity": "gradebook", "id": 1'), 422, "entity"),
        ("{right}", knock('"entity": "student", "id": "1; DROP"'), 422, "id"),
        ("{right}", knock('"entity": "student"'), 422, "id"),
    ],
    ids=[
        "no token",
        "another token",
        "another key",
        "no json",
        "entities",
        "unknown kind",
        "no number",
        "no id",
    ],
)
async def test_a_notification_that_cannot_be_proved_or_read_is_written_nowhere(
    school: Emulator,
    url: str,
    tmp_path: Path,
    path: str,
    body: bytes,
    status: int,
    field: str | None,
) -> None:
    async with pulling(url, tmp_path, powerschool_source(school)) as puller:
        there = path.replace("{right}", f"/webhooks/ps/{path_token(SECRET)}")

        answer = await puller.ingest.http.post(there, content=body)

        assert answer.status_code == status, answer.text
        if field is not None:
            assert answer.json()["errors"][0]["field"] == field
        assert await puller.ingest.value("SELECT count(*) FROM sis_ingest.delivery") == 0


async def test_two_edits_that_are_told_alike_are_both_followed(
    school: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, powerschool_source(school)) as puller:
        there = f"/webhooks/ps/{path_token(SECRET)}"
        names = []
        for name in ("First", "Second"):
            school.do("students/1/name", familyName=name)
            assert (await puller.ingest.http.post(there, content=knock(STUDENT))).status_code == 202
            await puller.ingest.settled()
            names.append((await people(puller))["student-1"].split()[-1])

        assert names == ["First", "Second"]


async def test_hints_wait_while_the_source_is_away_and_are_followed_then(
    school: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, powerschool_source(school)) as puller:
        school.fault("server_error", path="/ws/v1", times=3)
        there = f"/webhooks/ps/{path_token(SECRET)}"

        assert (await puller.ingest.http.post(there, content=knock(STUDENT))).status_code == 202
        await puller.ingest.settled()

        assert "student-1" in await people(puller)


@pytest.mark.parametrize("status", [401, 403])
async def test_hints_wait_while_access_is_refused_and_are_followed_then(
    school: Emulator, url: str, tmp_path: Path, status: int
) -> None:
    async with pulling(url, tmp_path, powerschool_source(school)) as puller:
        school.fault("server_error", path="/ws/v1", amount=status, times=3)
        there = f"/webhooks/ps/{path_token(SECRET)}"

        assert (await puller.ingest.http.post(there, content=knock(STUDENT))).status_code == 202
        await puller.ingest.settled()

        assert "student-1" in await people(puller)


@pytest.mark.parametrize(("status", "outcome"), [(400, "status_400"), (500, "unreadable_record")])
async def test_one_record_that_cannot_be_read_blocks_no_other(
    school: Emulator, url: str, tmp_path: Path, status: int, outcome: str
) -> None:
    async with pulling(url, tmp_path, powerschool_source(school)) as puller:
        school.fault("server_error", path="/ws/v1/student/9", amount=status, times=None)
        there = f"/webhooks/ps/{path_token(SECRET)}"
        for number in (9, 2):
            body = knock(f'"entity": "student", "id": {number}')
            assert (await puller.ingest.http.post(there, content=body)).status_code == 202

        await puller.ingest.settled()

        assert "student-2" in await people(puller)
        ends = await puller.ingest.pool.fetch("SELECT state, reason FROM sis_ingest.delivery")
        assert ("refused", outcome) in {(row["state"], row["reason"]) for row in ends}


async def test_an_empty_success_for_the_sections_of_a_school_removes_no_seat(
    school: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, powerschool_source(school)) as puller:
        await puller.pull()
        before = await seats(puller)
        school.fault("empty_success", path="/section_enrollment", times=1)

        report = await puller.pull()

        assert await seats(puller) == before
        assert {"code": "count_disagrees", "file": "section_enrollments"}.items() <= next(
            one for one in report["warnings"] if one["file"] == "section_enrollments"
        ).items()


async def test_a_trial_is_taken_and_changes_nothing(
    school: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, powerschool_source(school)) as puller:
        body = knock('"entity": "test_subscription", "id": 1')
        there = f"/webhooks/ps/{path_token(SECRET)}"

        assert (await puller.ingest.http.post(there, content=body)).status_code == 202
        await puller.ingest.settled()
        assert await puller.ingest.events("k12.roster.%") == []


async def test_a_hint_that_was_accepted_is_followed_after_a_kill(
    school: Emulator, url: str, tmp_path: Path
) -> None:
    marker = tmp_path / "hit"
    env = {
        "HOMEROOM_DATABASE_URL": url,
        "HOMEROOM_ENVIRONMENT": "test",
        "HOMEROOM_OPERATOR_PUBLIC_KEY": PUBLIC_KEY,
        "HOMEROOM_SOURCES": json.dumps([powerschool_source(school)]),
        "HOMEROOM_DATA_DIR": str(tmp_path / "data"),
    }
    doomed = {
        **env,
        "HOMEROOM_FAILPOINT": "ingest.accept.after_commit",
        "HOMEROOM_FAILPOINT_FILE": str(marker),
    }
    program = start_service("sis_ingest", folder=tmp_path, env=doomed)
    async with httpx2.AsyncClient(timeout=20) as http:
        with suppress(httpx2.TransportError):
            address = f"{program.url}/webhooks/ps/{path_token(SECRET)}"
            await http.post(address, content=knock(STUDENT))
    assert await asyncio.to_thread(program.wait_for_exit) == -9
    assert marker.exists()

    async with pulling(url, tmp_path, powerschool_source(school)) as puller:
        await puller.ingest.settled()

        assert "student-1" in await people(puller)


async def test_a_version_that_powerschool_knows_no_more_makes_the_pull_a_full_one(
    school: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, powerschool_source(school)) as puller:
        await puller.pull()
        await puller.ingest.pool.execute("UPDATE sis_ingest.pull SET mark = 'None'")

        report = await puller.pull("delta")

        assert (report["pull"]["mode"], report["pull"]["since"]) == ("full", None)
        assert await people(puller) == office(school)
        assert (await puller.pull("delta"))["pull"]["mode"] == "delta"


@pytest.mark.parametrize("counts", [(), ("--no-counts",)], ids=["counted", "uncounted"])
async def test_its_oneroster_is_read_too_with_blanks_around_ids_and_nulls(
    url: str, tmp_path: Path, counts: tuple[str, ...]
) -> None:
    with emulator("powerschool", "--students", "40", *counts, folder=tmp_path) as school:
        options = {"version": "1.1", "path": "/api/ims/oneroster/v1p1"}
        source = oneroster_source(school, options=options)
        async with pulling(url, tmp_path, source) as puller:
            report = await puller.pull()

            assert (report["refusals"], report["warnings"]) == ([], [])
            pupil = school.truth("students", limit=1)["records"][0]
            school.do(f"students/{pupil['dcid']}/delete")
            new = school.do("students", givenName="Ada", familyName="Made-up")["records"][0]

            await puller.pull("delta")

            live = await puller.live("user")
            assert pupil["sourcedIds"]["oneRoster11"] not in live
            assert new["sourcedIds"]["oneRoster11"] in live
            assert live == sourced_ids(school, "oneRoster11", "students", "staff", "contacts")
            assert live == set(map(str.strip, live))
