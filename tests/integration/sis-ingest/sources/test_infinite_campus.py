"""Infinite Campus against its emulator: pulls, its ids of two versions, accounts that vanish."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulators import Emulator, emulator
from tests.support.eventually import eventually
from tests.support.pulling import Puller, campus_source, pulling, sourced_ids


@pytest.fixture(params=[("flat", "plus")])
def shapes(request: pytest.FixtureRequest) -> tuple[str, str]:
    """What is not known of the live system: shape of the legacy id, and of a role's letter."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def campus(tmp_path_factory: pytest.TempPathFactory, shapes: tuple[str, str]) -> Iterator[Emulator]:
    folder = tmp_path_factory.mktemp("campus")
    (folder / "extract").mkdir()
    legacy, prefix = shapes
    with emulator(
        "infinitecampus", "--students", "40", "--legacy-shape", legacy, "--role-prefix", prefix,
        "--extract-dir", str(folder / "extract"), folder=folder,
    ) as running:  # fmt: skip
        yield running


def seen(sis: Emulator, *tables: str) -> set[str]:
    """1.2 ids of those whom Campus shows: an account, and no no-show."""
    return {
        one["sourcedIds"]["oneRoster12"]
        for table in tables
        for one in sis.truth(table, limit=100_000)["records"]
        if not one["gone"] and one["portal"] and not one.get("noShow")
    }


async def test_a_full_pull_brings_students_and_teachers_and_a_second_nothing_new(
    campus: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, campus_source(campus)) as puller:
        report = await puller.pull()

        assert report["state"] == "completed"
        assert (report["refusals"], report["warnings"]) == ([], [])
        people = await puller.live("user")
        assert seen(campus, "students") <= people
        assert await puller.live("class") == sourced_ids(campus, "oneRoster12", "sections")

        again = await puller.pull()

        assert again["reason"] == "nothing_changed"
    asked = {path.rpartition("/")[2] for path in campus.evidence()["requests"]}
    assert {"students", "teachers"} <= asked
    assert "users" not in asked
    assert campus.evidence()["mostAtOnce"] <= 5
    assert campus.evidence()["refusals"] == {}


async def test_everybody_with_an_account_is_read_where_the_district_wants_it(
    campus: Emulator, url: str, tmp_path: Path
) -> None:
    source = campus_source(campus, options={"people": "users"})
    async with pulling(url, tmp_path, source) as puller:
        await puller.pull()

        assert await puller.live("user") == seen(campus, "students", "staff", "contacts")


async def test_an_account_that_is_closed_vanishes_with_the_next_full_pull_and_comes_back(
    campus: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, campus_source(campus)) as puller:
        await puller.pull()
        one = next(one for one in campus.truth("students")["records"] if one["portal"])
        outside = one["sourcedIds"]["oneRoster12"]
        campus.do(f"students/{one['dcid']}/portal", open=False)

        await puller.pull("delta")
        assert outside in await puller.live("user"), "a delta cannot tell"
        await puller.pull()
        assert outside not in await puller.live("user")

        campus.do(f"students/{one['dcid']}/portal", open=True)
        await puller.pull("delta")
        assert outside in await puller.live("user")
        assert outside in await puller.ingest.people(), "the same id"


@pytest.mark.parametrize(
    "shapes",
    [("flat", "plus"), ("flat", "bare"), ("nested", "plus"), ("nested", "bare")],
    indirect=True,
    ids="-".join,
)
async def test_a_district_that_goes_from_1_1_to_1_2_keeps_everybody(
    campus: Emulator, url: str, tmp_path: Path
) -> None:
    """Contacts have no number of their own: they are known by nothing but the legacy id."""
    everybody = {"people": "users"}
    old = campus_source(campus, version="1.1", options=everybody)
    async with pulling(url, tmp_path, old) as puller:
        await puller.pull()
        before = await puller.ingest.people()
        classes = await puller.live("class")
        assert all(outside.isdigit() for outside in await puller.live("user"))

    async with pulling(url, tmp_path, campus_source(campus, options=everybody)) as puller:
        report = await puller.pull()

        assert await puller.ingest.people() == before
        assert report["removals"]["missing"] == 0
        assert report["additions"]["applied"] == 0
        assert await puller.live("user") == seen(campus, "students", "staff", "contacts")
        assert await puller.live("class") == classes
        assert await gone_users(puller) == []


async def gone_users(puller: Puller) -> list[str]:
    return [
        event["data"]["reason"]
        for event in await puller.ingest.events("k12.roster.user.tobedeleted%")
    ]


async def test_a_delta_of_1_1_never_halves_a_person(
    campus: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, campus_source(campus, version="1.1")) as puller:
        await puller.pull()
        campus.forget()
        new = campus.do("students", givenName="Ada", familyName="Made-up", portal=True)

        report = await puller.pull("delta")

        assert report["counts"]["user"]["read"] >= 40, "people are read whole"
        assert report["counts"]["class"]["read"] == 0
        person = new["records"][0]["sourcedIds"]["oneRoster11.student"].strip("s+")
        assert person in await puller.live("user")


async def test_files_of_a_data_extract_come_in_beside_pulls(
    campus: Emulator, url: str, tmp_path: Path
) -> None:
    folder = campus.program.child.log.parent / "extract"
    drop = {"path": str(folder), "pattern": "{name}.csv", "everySeconds": 1, "doneMarker": True}
    source = {**campus_source(campus), "folder": drop}
    async with pulling(url, tmp_path, source) as puller:
        campus.do("extract", steps=4, stepSeconds=0.05, done=True)

        async def imported() -> int:
            return await puller.ingest.value(
                "SELECT count(*) FROM sis_ingest.run WHERE state = 'completed' AND NOT pulled"
            )

        await eventually(imported, within_s=30, what="the extract is imported")
        assert len(await puller.live("user")) > 40
