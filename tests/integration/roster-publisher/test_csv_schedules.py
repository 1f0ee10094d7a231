"""Packages are written into the folders of their vendors when they are due, whole, by one process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from roster_common.runtime.lifecycle import Stopping
from roster_publisher.adapters.package_folder import PackageFolder
from roster_publisher.adapters.postgres.exports import PostgresExports
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.domain.access import Client, Grant
from roster_publisher.domain.collections import KNOWN_SCOPES
from roster_publisher.domain.export_schedule import ExportStanding, ScheduledExport, is_due
from roster_publisher.entrypoints.jobs.export import export_loop
from roster_publisher.usecases.note_pulls import NotePulls
from roster_publisher.usecases.take_back_packages import TakeBackPackages
from roster_publisher.usecases.write_exports import WriteExports
from tests.support.csv_package import applied, different, read_package
from tests.support.eventually import eventually
from tests.support.oneroster_records import demographics, enrollment, school_world, user
from tests.support.publishing import Publishing

HOUR = timedelta(hours=1)
DELTAS = ScheduledExport(
    district_id="d1", client_id="v", folder="v", version="1.2", mode="delta", every=HOUR, keep=3
)
WORLD = [*school_world(users=3), ("enrollment", enrollment("e1", user="u001"))]


def writer(publishing: Publishing, folder: Path, *, holder: str = "one") -> WriteExports:
    """What one process has."""
    return WriteExports(
        publishing.export,
        PostgresVendors(publishing.database),
        PostgresExports(publishing.database, holder=holder, lease=timedelta(minutes=2)),
        PackageFolder(folder),
        publishing.clock,
        NotePulls(publishing.audit, publishing.clock),
        zone_of=lambda _district: UTC,
    )


async def granted(
    publishing: Publishing,
    *,
    client_id: str = "v",
    expires_at: datetime | None = None,
    scopes: frozenset[str] = KNOWN_SCOPES,
) -> None:
    """A client of exports."""
    grant = Grant(
        district_id="d1", client_id=client_id, token_scopes=scopes, expires_at=expires_at
    )
    client = Client(client_id=client_id, secret_hash="none", grant=grant)
    await PostgresVendors(publishing.database).seed(client, now=publishing.clock.now())


def files(folder: Path, of: str = "v") -> list[str]:
    """What stands in a vendor's folder, by mode and name."""
    return sorted(path.name for path in (folder / of).iterdir())


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


def taker(publishing: Publishing, folder: Path) -> TakeBackPackages:
    """What any process has."""
    desk = PostgresExports(publishing.database, holder="any", lease=timedelta(minutes=2))
    return TakeBackPackages(desk, PackageFolder(folder), publishing.clock)


async def _the_agreement_ends(publishing: Publishing) -> None:
    publishing.clock.advance(3_600)


async def _the_client_ends(publishing: Publishing) -> None:
    others = Grant(district_id="d1", client_id="w", token_scopes=KNOWN_SCOPES)
    await PostgresVendors(publishing.database).end_others([others])


@pytest.mark.parametrize("what", [_the_agreement_ends, _the_client_ends])
async def test_packages_of_a_vendor_that_ended_go_and_those_of_others_stay(
    publishing: Publishing, tmp_path: Path, what: Callable[[Publishing], Awaitable[None]]
) -> None:
    await publishing.publish(*WORLD)
    await granted(publishing, expires_at=publishing.clock.now() + HOUR)
    await granted(publishing, client_id="w")
    write, take_back = writer(publishing, tmp_path), taker(publishing, tmp_path)
    other = replace(DELTAS, client_id="w", folder="w")
    assert [(await write(one)).outcome for one in (DELTAS, other)] == ["written", "written"]
    (tmp_path / "v" / "notes.txt").write_text("of somebody else")
    (tmp_path / "v" / ".oneroster-1.2-bulk-begun.part").write_bytes(b"of a killed process")
    assert await take_back() == {}
    assert len(files(tmp_path)) == 3
    await what(publishing)
    assert await take_back() == {"v": 2}
    assert files(tmp_path) == ["notes.txt"]
    assert len(files(tmp_path, "w")) == 1
    assert await take_back() == {}


async def test_the_loop_takes_back_what_no_settings_name_any_more(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*WORLD)
    await granted(publishing)
    write, take_back = writer(publishing, tmp_path), taker(publishing, tmp_path)
    await write(DELTAS)
    await _the_client_ends(publishing)
    stopping = Stopping()
    loop = asyncio.create_task(export_loop(write, (), take_back=take_back)(stopping))
    try:
        await eventually(lambda: not files(tmp_path), what="no package is left")
    finally:
        stopping.set()
        await loop


async def test_a_vendor_that_comes_back_begins_with_bulk(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*WORLD)
    write, take_back = writer(publishing, tmp_path), taker(publishing, tmp_path)
    for _ in range(2):
        await granted(publishing, expires_at=publishing.clock.now() + HOUR)
        assert (await write(DELTAS)).outcome == "written"
        (only,) = files(tmp_path)
        assert only.startswith("oneroster-1.2-bulk-")
        publishing.clock.advance(3_600)
        assert await take_back() == {"v": 1}
        assert await take_back() == {}


async def test_what_is_published_at_the_end_itself_goes_too(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*WORLD)
    await granted(publishing, expires_at=publishing.clock.now() + HOUR)
    await writer(publishing, tmp_path)(DELTAS)
    (bulk,) = files(tmp_path)
    held = (tmp_path / "v" / bulk).read_bytes()
    take_back = taker(publishing, tmp_path)
    publishing.clock.advance(3_600)
    assert await take_back() == {"v": 1}
    (tmp_path / "v" / bulk).write_bytes(held)
    assert await take_back() == {"v": 1}
    assert files(tmp_path) == []


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
