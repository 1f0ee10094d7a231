"""A crash between a file on disk and its run, or just after: nothing lost, nothing doubled."""

import json
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.ingesting import district
from tests.support.processes import Program, start_service
from tests.support.sis_process import Installation, Sis, environment, exits


def start(installation: Installation, place: Sis, folder: Path, **more: str) -> Program:
    """A process that watches `folder` for the source."""
    drop = {"path": str(folder), "everySeconds": 1, "moveTo": "taken"}
    sources = [{"id": place.source, "district": place.district, "folder": drop}]
    env = {
        **environment(installation.database_url, installation.folder),
        "HOMEROOM_SOURCES": json.dumps(sources),
        **more,
    }
    program = start_service("sis_ingest", folder=installation.folder, env=env)
    installation.programs.append(program)
    return program


@pytest.mark.parametrize(
    ("failpoint", "runs"),
    [("ingest.snapshot.file_synced", 0), ("ingest.snapshot.recorded", 1)],
)
async def test_a_file_taken_as_the_process_dies_becomes_one_run(
    installation: Installation,
    place: Sis,
    marker: Path,
    tmp_path: Path,
    failpoint: str,
    runs: int,
) -> None:
    folder = tmp_path / "left-here"
    (folder / "taken").mkdir(parents=True)
    doomed = start(
        installation, place, folder,
        HOMEROOM_FAILPOINT=failpoint, HOMEROOM_FAILPOINT_FILE=str(marker),
    )  # fmt: skip
    (folder / "roster.zip").write_bytes(district())
    assert await exits(doomed) == -9
    assert marker.exists()
    assert (await place.counts())["delivery"] == runs
    assert (folder / "roster.zip").exists()

    program = start(installation, place, folder)

    async def imported() -> bool:
        return set(await place.resolved()) == {"u1", "u2"}

    await eventually(imported, within_s=20, what="the file is imported")
    await eventually(
        lambda: [path.name for path in folder.iterdir()] == ["taken"],
        within_s=20,
        what="the file is moved",
    )
    program.kill()
    assert (await place.counts())["delivery"] == 1
    assert (await place.told()).count("user.upserted") == 2
    assert len(list((folder / "taken").iterdir())) == 1
