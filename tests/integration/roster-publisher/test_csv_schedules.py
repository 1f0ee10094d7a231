"""Packages are written into the folders of their vendors when they are due, whole, by one process."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from roster_publisher.adapters.package_folder import PackageFolder
from roster_publisher.adapters.postgres.exports import PostgresExports
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.domain.collections import KNOWN_SCOPES
from roster_publisher.domain.export_schedule import ExportStanding, ScheduledExport, is_due
from roster_publisher.usecases.note_pulls import NotePulls
from roster_publisher.usecases.write_exports import WriteExports
from tests.support.csv_package import applied, different, read_package
from tests.support.oneroster_records import demographics, user
from tests.support.publishing import Publishing
from tests.support.scheduled import DELTAS, HOUR, WORLD, files, granted, writer


async def test_a_bulk_package_comes_first_and_deltas_after_it(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*WORLD)
    await granted(publishing)
    write = writer(publishing, tmp_path)
    assert (await write(DELTAS)).outcome == "written"
    assert (await write(DELTAS)).outcome == "waits"
    (first,) = files(tmp_path)
    assert first.startswith("oneroster-1.2-bulk-")
    await publishing.publish(("user", user("u000", givenName="Ida")), ("enrollment", "e1"))
    publishing.clock.advance(3_600)
    turn = await write(DELTAS)
    assert (turn.outcome, turn.done_at) == ("written", publishing.clock.now())
    (delta,) = (name for name in files(tmp_path) if "delta" in name)
    held = applied(
        read_package((tmp_path / "v" / first).read_bytes()),
        read_package((tmp_path / "v" / delta).read_bytes()),
    )
    async with publishing.vendor("w") as vendor:
        whole = read_package((await vendor.get("/exports/oneroster.zip")).content)
    assert different(held, whole) == []


async def test_the_newest_files_stay(publishing: Publishing, tmp_path: Path) -> None:
    await publishing.publish(*WORLD)
    await granted(publishing)
    write = writer(publishing, tmp_path)
    for turn in range(6):
        await publishing.publish(("user", user("u000", givenName=f"Ida {turn}")))
        assert (await write(DELTAS)).outcome == "written"
        publishing.clock.advance(3_600)
    assert [name.split("-")[2] for name in files(tmp_path)] == ["bulk", "delta", "delta", "delta"]


async def test_a_delta_that_was_not_fetched_yet_is_not_written_over(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*WORLD)
    await granted(publishing)
    write = writer(publishing, tmp_path)
    await write(DELTAS)
    await publishing.publish(("user", user("u000", givenName="Ida")))
    publishing.clock.advance(3_600)
    await write(DELTAS)
    (delta,) = (tmp_path / "v").glob("*delta*")
    written = delta.read_bytes()
    publishing.clock.advance(3_600)
    turn = await write(DELTAS)
    assert delta.read_bytes() == written
    assert (turn.outcome, turn.done_at) == ("unchanged", publishing.clock.now())
    assert (await write(DELTAS)).outcome == "waits"


async def test_a_file_that_a_scope_opens_later_begins_with_bulk(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*WORLD, ("demographics", demographics("u000")))
    await granted(publishing, scopes=frozenset(one for one in KNOWN_SCOPES if "demo" not in one))
    write = writer(publishing, tmp_path)
    await write(DELTAS)
    await granted(publishing)
    publishing.clock.advance(3_600)
    assert (await write(DELTAS)).outcome == "written"
    whole = read_package((tmp_path / "v" / files(tmp_path)[-1]).read_bytes())
    assert whole.modes["demographics"] == "bulk"
    assert [row["sourcedId"] for row in whole.rows("demographics")] == ["u000"]


async def test_whoever_lost_its_turn_publishes_nothing_of_another(tmp_path: Path) -> None:
    shelf, half, go_on = PackageFolder(tmp_path), asyncio.Event(), asyncio.Event()

    async def later() -> AsyncIterator[bytes]:
        yield b"half"
        half.set()
        await go_on.wait()
        yield b" and half"

    async with asyncio.TaskGroup() as tasks:

        async def earlier() -> AsyncIterator[bytes]:
            yield b"old"
            # The turn was lost behind the last look at it.
            tasks.create_task(shelf.put("v", "p.zip", later(), prefix="p", keep=3))
            await half.wait()

        with pytest.raises(FileNotFoundError):
            await shelf.put("v", "p.zip", earlier(), prefix="p", keep=3)
        assert not (tmp_path / "v" / "p.zip").exists()
        go_on.set()
    assert (tmp_path / "v" / "p.zip").read_bytes() == b"half and half"


async def test_nothing_is_written_without_a_grant_in_force(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*WORLD)
    write = writer(publishing, tmp_path)
    assert (await write(DELTAS)).outcome == "no_grant"
    await granted(publishing, expires_at=publishing.clock.now() + HOUR)
    assert (await write(DELTAS)).outcome == "written"
    publishing.clock.advance(3_600)
    assert (await write(DELTAS)).outcome == "no_grant"


class Torn:
    """A shelf that fails in the middle of a file, after another process has looked."""

    def __init__(self, shelf: PackageFolder, meanwhile: WriteExports) -> None:
        self.shelf = shelf
        self.meanwhile = meanwhile
        self.seen: list[str] = []

    async def empty(self, folder: str) -> int:
        return await self.shelf.empty(folder)

    async def put(
        self, folder: str, name: str, chunks: AsyncIterator[bytes], *, prefix: str, keep: int
    ) -> None:
        async def torn() -> AsyncIterator[bytes]:
            yield await anext(chunks)
            self.seen.append((await self.meanwhile(DELTAS)).outcome)
            raise OSError(28, "No space left on device")

        await self.shelf.put(folder, name, torn(), prefix=prefix, keep=keep)


async def test_what_fails_leaves_no_file_and_is_tried_again(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*WORLD)
    await granted(publishing)
    other = writer(publishing, tmp_path, holder="other")
    torn = Torn(PackageFolder(tmp_path), other)
    write = WriteExports(
        publishing.export,
        PostgresVendors(publishing.database),
        PostgresExports(publishing.database, holder="one", lease=timedelta(minutes=2)),
        torn,
        publishing.clock,
        NotePulls(publishing.audit, publishing.clock),
        zone_of=lambda _district: UTC,
    )
    with pytest.raises(OSError, match="No space"):
        await write(DELTAS)
    # While it was writing, no other process did.
    assert torn.seen == ["waits"]
    assert files(tmp_path) == []
    assert (await other(DELTAS)).outcome == "waits"
    publishing.clock.advance(300)
    assert (await other(DELTAS)).outcome == "written"


async def test_two_processes_write_one_package(publishing: Publishing, tmp_path: Path) -> None:
    await publishing.publish(*WORLD)
    await granted(publishing)
    turns = await asyncio.gather(
        *(writer(publishing, tmp_path, holder=name)(DELTAS) for name in ("one", "two"))
    )
    assert sorted(turn.outcome for turn in turns) == ["waits", "written"]
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    ("done", "now", "due"),
    [
        (None, "2026-11-30T08:00Z", True),
        ("2026-11-30T07:00Z", "2026-11-30T07:59Z", False),
        # Two o'clock in Chicago is eight in UTC.
        ("2026-11-30T07:59Z", "2026-11-30T08:00Z", True),
        ("2026-11-30T08:00Z", "2026-12-01T07:59Z", False),
        ("2026-11-28T08:01Z", "2026-11-30T07:00Z", True),
    ],
)
def test_a_time_of_day_is_the_districts(done: str | None, now: str, due: bool) -> None:
    nightly = ScheduledExport(
        district_id="d1", client_id="v", folder="v", version="1.1", mode="bulk", at=time(2)
    )
    standing = ExportStanding(done_at=None if done is None else datetime.fromisoformat(done))
    zone = ZoneInfo("America/Chicago")
    assert is_due(nightly, standing, datetime.fromisoformat(now), zone) is due
