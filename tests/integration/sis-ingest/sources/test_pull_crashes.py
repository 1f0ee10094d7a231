"""A crash between any two steps of a pull: the same truth afterwards, nothing lost or doubled."""

import json
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.support.emulators import Emulator, emulator
from tests.support.eventually import eventually
from tests.support.ingest_service import PUBLIC_KEY
from tests.support.processes import Program, start_program, start_service
from tests.support.pulling import oneroster_source, sourced_ids
from tests.support.sis_process import exits

SECTIONS = 7
PEOPLE = ("students", "staff", "contacts")


@pytest.fixture
def sis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder = tmp_path_factory.mktemp("sis")
    with emulator("oneroster", "--revision-headers", "--students", "40", folder=folder) as running:
        yield running


def start(url: str, folder: Path, sis: Emulator, **more: str) -> Program:
    """A process that pulls at once what it never pulled; one with a fail point may be gone
    before it is ready, so nobody waits for that.
    """
    source = oneroster_source(sis, pageSize=20, blackouts=[], deltaEverySeconds=None)
    env = {
        "HOMEROOM_DATABASE_URL": url,
        "HOMEROOM_ENVIRONMENT": "test",
        "HOMEROOM_OPERATOR_PUBLIC_KEY": PUBLIC_KEY,
        "HOMEROOM_DATA_DIR": str(folder / "data"),
        "HOMEROOM_SOURCES": json.dumps([source]),
        **more,
    }
    begin = start_program if "HOMEROOM_FAILPOINT" in more else start_service
    return begin("sis_ingest", folder=folder, env=env)


@pytest.mark.parametrize(
    ("failpoint", "again", "runs"),
    [
        # Sections are read side by side: of each, one page may have been under way.
        ("ingest.pull.page_synced@25", SECTIONS, 0),
        ("ingest.pull.after_page@25", SECTIONS, 0),
        ("ingest.snapshot.file_synced", 0, 0),
        ("ingest.pull.after_hand_over", 0, 1),
    ],
)
async def test_a_pull_cut_off_goes_on_where_it_was_and_becomes_one_run(
    sis: Emulator, url: str, tmp_path: Path, failpoint: str, again: int, runs: int
) -> None:
    marker = tmp_path / "hit"
    doomed = start(
        url, tmp_path, sis, HOMEROOM_FAILPOINT=failpoint, HOMEROOM_FAILPOINT_FILE=str(marker)
    )
    assert await exits(doomed) == -9
    assert marker.exists()
    pool = await asyncpg.create_pool(url, min_size=1, max_size=1)
    assert await pool.fetchval("SELECT count(*) FROM sis_ingest.run") == runs

    program = start(url, tmp_path, sis)

    async def done() -> bool:
        return await pool.fetchval("SELECT count(*) FROM sis_ingest.run WHERE state = 'completed'")

    await eventually(done, within_s=60, what="the pull is imported")

    async def swept() -> bool:
        return not list((tmp_path / "data" / "pulls").iterdir())

    await eventually(swept, within_s=20, what="no page is left behind")
    program.kill()

    (pull,) = await pool.fetch("SELECT * FROM sis_ingest.pull")
    people = await pool.fetch(
        "SELECT external_id FROM sis_ingest.source_record WHERE entity = 'user' AND NOT deleted"
    )
    await pool.close()
    assert (pull["state"], pull["restarts"]) == ("completed", 0)
    assert {row["external_id"] for row in people} == sourced_ids(sis, "oneRoster", *PEOPLE)
    pages = sum(one["pages"] for one in json.loads(pull["sections"]).values())
    # Beside pages: one look at orgs, and one whether demographics are offered.
    assert 0 <= sis.evidence()["pagesServed"] - pages - 2 <= again


@pytest.mark.parametrize("lost", ["the restart's moment", "a file"])
async def test_a_pull_whose_pages_are_gone_begins_again(
    sis: Emulator, url: str, tmp_path: Path, lost: str
) -> None:
    """The power cut in small: cursors are kept, pages are not."""
    if lost == "a file":
        failpoint = "ingest.pull.after_page@25"
    else:
        failpoint = "ingest.pull.restart_saved"
        sis.fault("new_revision", path="/enrollments", after=2)
    doomed = start(
        url,
        tmp_path,
        sis,
        HOMEROOM_FAILPOINT=failpoint,
        HOMEROOM_FAILPOINT_FILE=str(tmp_path / "hit"),
    )
    assert await exits(doomed) == -9
    for file in (tmp_path / "data" / "pulls").glob("*/users.ndjson"):
        file.unlink()
    program = start(url, tmp_path, sis)
    pool = await asyncpg.create_pool(url, min_size=1, max_size=1)

    async def done() -> bool:
        return await pool.fetchval("SELECT count(*) FROM sis_ingest.run WHERE state = 'completed'")

    await eventually(done, within_s=60, what="the pull is imported")
    program.kill()

    (pull,) = await pool.fetch("SELECT * FROM sis_ingest.pull")
    people = await pool.fetch(
        "SELECT external_id FROM sis_ingest.source_record WHERE entity = 'user' AND NOT deleted"
    )
    await pool.close()
    assert (pull["state"], pull["restarts"]) == ("completed", 1)
    assert {row["external_id"] for row in people} == sourced_ids(sis, "oneRoster", *PEOPLE)
