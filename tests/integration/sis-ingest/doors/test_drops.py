"""A folder where a district leaves files: each finished one is taken once, none is lost."""

import asyncio
import io
import os
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from roster_common.runtime.database import Database
from sis_ingest.adapters.drops.folder import FolderDrop
from sis_ingest.domain.drops import DropRules, Listed
from sis_ingest.ports.drops import DropFailed
from tests.support.dropping import LIMIT_BYTES, START, Dropping, leave


@pytest.fixture
async def dropping(ingest_url: str, tmp_path: Path) -> AsyncIterator[Dropping]:
    """A source with nothing taken yet."""
    database = Database(ingest_url, name="test", pool_size=2)
    yield Dropping(database=database, raw=tmp_path / "raw")
    await database.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the district leaves files."""
    made = tmp_path / "from-the-sis"
    made.mkdir()
    return made


@pytest.fixture
def drop(folder: Path) -> FolderDrop:
    """The same, as the service sees it; taken files stay."""
    return FolderDrop(folder, move_to=None)


async def test_a_file_that_two_looks_find_alike_is_taken_once(
    dropping: Dropping, folder: Path, drop: FolderDrop
) -> None:
    leave(folder, "roster.zip", b"one")

    first, second, third = [await dropping.look(drop) for _ in range(3)]

    assert [(look.taken, look.waiting) for look in (first, second, third)] == [
        (0, 1), (1, 0), (0, 0),
    ]  # fmt: skip
    assert await dropping.bodies() == [b"one"]
    assert dropping.pokes == 1
    assert (folder / "roster.zip").read_bytes() == b"one"


async def test_a_file_speaks_of_when_it_was_written(
    dropping: Dropping, folder: Path, drop: FolderDrop
) -> None:
    leave(folder, "a.zip", b"a", minutes_ago=30)
    leave(folder, "b.zip", b"b", minutes_ago=-30)

    await dropping.looks(drop)

    assert [run["as_of"] for run in await dropping.runs()] == [
        START - timedelta(minutes=30),
        START,
    ]


async def test_a_half_written_file_is_left_until_it_is_still(
    dropping: Dropping, folder: Path, drop: FolderDrop
) -> None:
    for size in range(1, 5):
        leave(folder, "roster.zip", b"x" * size, minutes_ago=10 - size)
        assert (await dropping.look(drop)).taken == 0

    assert (await dropping.look(drop)).taken == 1
    assert await dropping.bodies() == [b"xxxx"]


async def test_a_file_that_changes_while_it_is_read_is_not_taken(
    dropping: Dropping, folder: Path, drop: FolderDrop
) -> None:
    leave(folder, "roster.zip", b"half")
    await dropping.look(drop)

    class Growing(FolderDrop):
        """The district writes on while we read."""

        async def read(self, file):
            async for piece in super().read(file):
                leave(folder, "roster.zip", b"half and more", minutes_ago=9)
                yield piece

    look = await dropping.look(Growing(folder, move_to=None))

    assert (look.taken, look.waiting, look.fault) == (0, 1, None)
    assert (await dropping.runs(), list(dropping.raw.iterdir())) == ([], [])
    assert await dropping.looks(drop) == [0, 1]
    assert await dropping.bodies() == [b"half and more"]


async def test_a_file_that_changed_is_taken_again_and_one_that_did_not_is_not(
    dropping: Dropping, folder: Path, drop: FolderDrop
) -> None:
    leave(folder, "roster.zip", b"monday", minutes_ago=60)
    await dropping.looks(drop)
    leave(folder, "roster.zip", b"tuesday", minutes_ago=50)
    await dropping.looks(drop)
    leave(folder, "roster.zip", b"tuesday", minutes_ago=40)
    await dropping.looks(drop)
    await dropping.looks(drop)

    assert await dropping.bodies() == [b"monday", b"tuesday", b"tuesday"]


async def test_what_was_taken_is_known_after_a_restart(
    dropping: Dropping, folder: Path, drop: FolderDrop
) -> None:
    leave(folder, "roster.zip", b"one")
    await dropping.looks(drop)

    dropping.seen = {}

    assert await dropping.looks(drop) == [0, 0]
    assert len(await dropping.runs()) == 1


async def test_two_processes_that_find_the_same_file_make_one_run_of_it(
    dropping: Dropping, folder: Path, drop: FolderDrop
) -> None:
    leave(folder, "roster.zip", b"one")
    await dropping.look(drop)

    looks = await asyncio.gather(*(dropping.look(drop) for _ in range(2)))

    assert sum(look.taken for look in looks) == 1
    assert len(await dropping.runs()) == 1


async def test_a_marker_is_taken_at_its_word_and_never_for_a_file(
    dropping: Dropping, folder: Path, drop: FolderDrop
) -> None:
    dropping.rules = DropRules(pattern="*", done_marker=True)
    leave(folder, "roster.zip", b"one")
    assert await dropping.looks(drop) == [0, 0]

    leave(folder, "roster.zip.done", b"", minutes_ago=5)

    assert (await dropping.look(drop)).taken == 1
    assert await dropping.bodies() == [b"one"]


async def test_loose_files_become_one_package(
    dropping: Dropping, folder: Path, drop: FolderDrop
) -> None:
    dropping.rules = DropRules(pattern="{name}_*.csv")
    leave(folder, "users_0901.csv", b"u" * 3_000_000)
    leave(folder, "orgs_0901.csv", b"o" * 5)
    leave(folder, "readme.txt", b"no")

    look = await dropping.look(drop)
    assert (look.taken, look.waiting) == (0, 1)
    too_large = await dropping.look(drop)
    assert (too_large.taken, too_large.fault) == (0, "too_large")
    leave(folder, "users_0901.csv", b"u" * 900_000, minutes_ago=9)
    assert await dropping.looks(drop) == [0, 1]
    assert await dropping.looks(drop) == [0, 0]

    (body,) = await dropping.bodies()
    with zipfile.ZipFile(io.BytesIO(body)) as package:
        assert {name: package.read(name) for name in package.namelist()} == {
            "orgs.csv": b"o" * 5,
            "users.csv": b"u" * 900_000,
        }
    (run,) = await dropping.runs()
    assert run["as_of"] == START - timedelta(minutes=10)


async def test_one_changed_file_of_a_package_makes_the_whole_package_anew(
    dropping: Dropping, folder: Path, drop: FolderDrop
) -> None:
    dropping.rules = DropRules(pattern="{name}.csv")
    leave(folder, "users.csv", b"u")
    leave(folder, "orgs.csv", b"o")
    await dropping.looks(drop)
    leave(folder, "users.csv", b"v", minutes_ago=3)
    await dropping.looks(drop)

    packages = [zipfile.ZipFile(io.BytesIO(body)) for body in await dropping.bodies()]

    assert [(p.read("orgs.csv"), p.read("users.csv")) for p in packages] == [
        (b"o", b"u"),
        (b"o", b"v"),
    ]


async def test_a_file_over_the_limit_is_told_and_those_beside_it_are_taken(
    dropping: Dropping, folder: Path, drop: FolderDrop
) -> None:
    leave(folder, "a.zip", b"x" * (LIMIT_BYTES + 1))
    leave(folder, "b.zip", b"small")

    await dropping.look(drop)
    look = await dropping.look(drop)

    assert (look.taken, look.waiting, look.fault) == (1, 1, "too_large")
    assert await dropping.bodies() == [b"small"]


async def test_what_was_taken_is_moved_and_never_over_another_file(
    dropping: Dropping, folder: Path
) -> None:
    drop = FolderDrop(folder, move_to="taken")
    leave(folder, "roster.zip", b"one", minutes_ago=60)
    await dropping.look(drop)
    missing = await dropping.look(drop)
    assert (missing.taken, missing.waiting, missing.fault) == (1, 0, "not_moved")

    (folder / "taken").mkdir()
    (folder / "taken" / "20260901T070000Z-roster.zip").write_bytes(b"another")
    assert (await dropping.look(drop)).fault == "not_moved"
    (folder / "taken" / "20260901T070000Z-roster.zip").unlink()
    assert (await dropping.look(drop)).fault is None

    leave(folder, "roster.zip", b"two", minutes_ago=50)
    await dropping.looks(drop)
    assert {path.name: path.read_bytes() for path in (folder / "taken").iterdir()} == {
        "20260901T070000Z-roster.zip": b"one",
        "20260901T071000Z-roster.zip": b"two",
    }
    assert [path.name for path in folder.iterdir()] == ["taken"]
    assert await dropping.bodies() == [b"one", b"two"]


async def test_a_file_that_came_in_the_place_of_a_taken_one_is_not_moved_but_taken(
    dropping: Dropping, folder: Path
) -> None:
    (folder / "taken").mkdir()
    leave(folder, "roster.zip", b"monday", minutes_ago=60)

    class Overwritten(FolderDrop):
        """The district exports again just before the taken file is moved."""

        async def put_aside(self, file):
            leave(folder, "roster.zip", b"tuesday", minutes_ago=1)
            await super().put_aside(file)

    await dropping.looks(Overwritten(folder, move_to="taken"))
    assert list((folder / "taken").iterdir()) == []
    await dropping.looks(FolderDrop(folder, move_to="taken"))

    assert await dropping.bodies() == [b"monday", b"tuesday"]
    assert [path.name for path in (folder / "taken").iterdir()] == ["20260901T075900Z-roster.zip"]


async def test_a_file_that_we_may_not_read_keeps_no_other_one_waiting(
    dropping: Dropping, folder: Path
) -> None:
    leave(folder, "a.zip", b"a", minutes_ago=60)
    leave(folder, "b.zip", b"b", minutes_ago=30)

    class Private(FolderDrop):
        """The first file is its owner's alone, which root does not notice."""

        async def read(self, file):
            if file.name == "a.zip":
                raise DropFailed("not_allowed")
            async for piece in super().read(file):
                yield piece

    drop = Private(folder, move_to=None)
    await dropping.look(drop)
    look = await dropping.look(drop)

    assert (look.taken, look.waiting, look.fault) == (1, 1, "not_allowed")
    assert await dropping.bodies() == [b"b"]


async def test_links_and_folders_are_nobodys_files(
    dropping: Dropping, folder: Path, drop: FolderDrop, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.zip").write_bytes(b"secret")
    (folder / "link.zip").symlink_to(tmp_path / "elsewhere.zip")
    (folder / "folder.zip").mkdir()

    assert await dropping.looks(drop) == [0, 0]


async def test_a_disk_that_hangs_is_given_up_in_time(folder: Path) -> None:
    drop = FolderDrop(folder, move_to=None, call_s=0.2)
    os.mkfifo(folder / "hangs.zip")
    file = Listed(name="hangs.zip", size_bytes=0, modified_at=START)

    with pytest.raises(DropFailed, match="timed_out"):
        await anext(drop.read(file))

    # Somebody to read from lets the thread go.
    os.close(os.open(folder / "hangs.zip", os.O_RDWR))


@pytest.mark.parametrize("name", ["not-there", "a-file"])
async def test_a_folder_that_is_not_there_is_told(
    dropping: Dropping, tmp_path: Path, name: str
) -> None:
    (tmp_path / "a-file").touch()

    with pytest.raises(DropFailed) as failed:
        await dropping.look(FolderDrop(tmp_path / name, move_to=None))

    assert failed.value.code == "no_folder"


# Root may read everything: there is nothing to tell.
if os.geteuid() != 0:

    async def test_a_folder_that_we_may_not_read_is_told(
        dropping: Dropping, folder: Path, drop: FolderDrop
    ) -> None:
        folder.chmod(0)

        with pytest.raises(DropFailed) as failed:
            await dropping.look(drop)

        folder.chmod(0o700)
        assert failed.value.code == "not_allowed"
