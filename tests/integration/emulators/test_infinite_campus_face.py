"""The Infinite Campus emulator, driven by a plain client: two versions, one token, files."""

import csv
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sis_ingest.ports.snapshots import SnapshotLimits
from sis_ingest.sources import KINDS
from tests.support.emulators import Emulator, emulator, every_page
from tests.support.official_oneroster import check_collection


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder = tmp_path_factory.mktemp("campus")
    files = folder / "extract"
    files.mkdir()
    with emulator("infinitecampus", "--extract-dir", str(files), folder=folder) as running:
        yield running


@pytest.fixture
def sis(started: Emulator) -> Emulator:
    started.forget()
    return started


@pytest.fixture
def headers(sis: Emulator) -> dict[str, str]:
    return sis.token()


def users(sis: Emulator, version: str, headers: dict[str, str]) -> dict[str, dict[str, Any]]:
    found = every_page(sis, f"{sis.told[version]}/users", headers, limit=5000)
    return {one["sourcedId"]: one for one in found}


def test_a_token_needs_the_name_of_the_application(sis: Emulator) -> None:
    bare = sis.told["tokenUrl"].partition("?")[0]
    form = {"grant_type": "client_credentials"}
    known = (sis.told["clientId"], sis.told["clientSecret"])

    assert sis.client.post(bare, data=form, auth=known).status_code == 400
    assert sis.client.post(f"{bare}?appName=other", data=form, auth=known).status_code == 400
    assert sis.client.post(sis.told["tokenUrl"], data=form, auth=known).status_code == 200
    assert sis.evidence()["refusals"] == {"unknown_app": 2}


def test_ids_change_between_the_versions_and_the_old_one_is_in_metadata(
    sis: Emulator, headers: dict[str, str]
) -> None:
    old, new = users(sis, "oneRoster11Url", headers), users(sis, "oneRoster12Url", headers)

    assert not old.keys() & new.keys()
    legacy = {one["metadata"]["ic.legacysourceId"]: one for one in new.values()}
    assert {key.partition("+")[2] for key in old} == legacy.keys()
    for key, one in old.items():
        assert legacy[key.partition("+")[2]]["username"] == one["username"]
    assert {key[0] for key, one in old.items() if one["role"] == "student"} == {"s"}


def test_bodies_of_1_2_are_as_the_official_file_wants_them(
    sis: Emulator, headers: dict[str, str]
) -> None:
    for name in ("orgs", "academicSessions", "courses", "classes", "users", "enrollments"):
        address = f"{sis.told['oneRoster12Url']}/{name}?limit=50000"
        check_collection(sis.client.get(address, headers=headers).json())


def test_only_people_with_an_account_who_showed_up_are_seen(
    sis: Emulator, headers: dict[str, str]
) -> None:
    absent = sis.do("students", noShow=True)["records"][0]["sourcedIds"]["oneRoster12"]
    without = sis.do("students", portal=False)["records"][0]
    there = sis.do("students")["records"][0]["sourcedIds"]["oneRoster12"]

    seen = users(sis, "oneRoster12Url", headers)
    assert there in seen
    assert not {absent, without["sourcedIds"]["oneRoster12"]} & seen.keys()

    sis.do(f"students/{without['dcid']}/portal", open=True)
    assert without["sourcedIds"]["oneRoster12"] in users(sis, "oneRoster12Url", headers)


def test_pages_hold_50000_and_no_more(sis: Emulator, headers: dict[str, str]) -> None:
    address = f"{sis.told['oneRoster12Url']}/users"

    most = sis.client.get(f"{address}?limit=50000", headers=headers)
    more = sis.client.get(f"{address}?limit=50001", headers=headers)

    assert (most.status_code, more.status_code) == (200, 400)


def test_a_sixth_request_at_once_is_refused(sis: Emulator, headers: dict[str, str]) -> None:
    # Long enough for the eighth to come before the first is answered, on a busy machine, too.
    sis.fault("slow", amount=5.0, times=None)
    address = f"{sis.told['oneRoster12Url']}/orgs"

    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda _: sis.client.get(address, headers=headers), range(8)))

    statuses = sorted(one.status_code for one in answers)
    assert statuses == [200] * 5 + [429] * 3
    assert all(one.headers["retry-after"] for one in answers if one.status_code == 429)
    evidence = sis.evidence()
    assert evidence["refusals"] == {"too_many_at_once": 3}
    assert evidence["mostAtOnce"] == 8


def test_an_extract_grows_in_steps_and_is_marked_done(sis: Emulator) -> None:
    told = sis.do("extract", steps=5, stepSeconds=0.01, done=True, stamp=True)

    folder = sis.program.child.log.parent / "extract"
    names = told["files"]
    assert all((folder / f"{name}.done").exists() for name in names)
    people = next(name for name in names if name.startswith("users_"))
    with (folder / people).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["sourcedId"] for row in rows}) == len(rows) > 100
    assert {row["role"] for row in rows} >= {"student", "teacher", "administrator", "guardian"}


def test_an_extract_is_a_whole_package_to_the_reader_of_csv_files(
    sis: Emulator, tmp_path: Path
) -> None:
    names = sis.do("extract")["files"]
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as package:
        for name in names:
            package.write(sis.program.child.log.parent / "extract" / name, name)

    found = KINDS["oneroster_csv"].snapshot.open(tmp_path / "package.zip", limits=SnapshotLimits())
    read = [
        found.read(collection, chunk.rows)
        for collection in found.collections
        for chunk in found.chunks(collection, rows=1000)
    ]
    found.close()
    assert not any(rows.refused for rows in read)
    assert not found.warnings
    assert sum(len(rows.good) for rows in read) > 500
