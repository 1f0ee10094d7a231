"""Packages of a vendor whose agreement ended, or who is none any more, are taken back from its folder."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from roster_common.runtime.lifecycle import Stopping
from roster_publisher.adapters.package_folder import PackageFolder
from roster_publisher.adapters.postgres.exports import PostgresExports
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.domain.access import Grant
from roster_publisher.domain.collections import KNOWN_SCOPES
from roster_publisher.entrypoints.jobs.export import export_loop
from roster_publisher.usecases.take_back_packages import TakeBackPackages
from tests.support.eventually import eventually
from tests.support.publishing import Publishing
from tests.support.scheduled import DELTAS, HOUR, WORLD, files, granted, writer


def taker(publishing: Publishing, folder: Path) -> TakeBackPackages:
    """What any process has."""
    desk = PostgresExports(publishing.database, holder="any", lease=timedelta(minutes=2))
    return TakeBackPackages(desk, PackageFolder(folder), publishing.clock)


async def taken(take_back: TakeBackPackages) -> Mapping[str, int]:
    """How many files went from which folders."""
    counts = {one.folder: await take_back(one) for one in await take_back.ended()}
    return {folder: count for folder, count in counts.items() if count}


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
    assert await taken(take_back) == {}
    assert len(files(tmp_path)) == 3
    await what(publishing)
    assert await taken(take_back) == {"v": 2}
    assert files(tmp_path) == ["notes.txt"]
    assert len(files(tmp_path, "w")) == 1
    assert await taken(take_back) == {}


async def test_the_loop_takes_back_what_no_settings_name_any_more(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*WORLD)
    await granted(publishing)
    await granted(publishing, client_id="a")
    write, take_back = writer(publishing, tmp_path), taker(publishing, tmp_path)
    for one in (replace(DELTAS, client_id="a", folder="a"), DELTAS):
        assert (await write(one)).outcome == "written"
    # What cannot be removed keeps no other folder's packages where they are.
    (tmp_path / "a" / ".oneroster-1.2-bulk-x.part").mkdir()
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
        assert await taken(take_back) == {"v": 1}
        assert await taken(take_back) == {}


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
    assert await taken(take_back) == {"v": 1}
    (tmp_path / "v" / bulk).write_bytes(held)
    assert await taken(take_back) == {"v": 1}
    assert files(tmp_path) == []


async def test_who_gets_the_folder_of_one_that_ended_finds_nothing_of_its(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*WORLD)
    await granted(publishing)
    write, take_back = writer(publishing, tmp_path), taker(publishing, tmp_path)
    await write(DELTAS)
    (left,) = files(tmp_path)
    (tmp_path / "v" / left).write_bytes(b"of the one that ended")
    await granted(publishing, client_id="w")
    await _the_client_ends(publishing)
    other = replace(DELTAS, client_id="w")
    assert (await write(other)).outcome == "waits"
    assert await taken(take_back) == {"v": 1}
    assert (await write(other)).outcome == "waits"
    assert await taken(take_back) == {}
    assert (await write(other)).outcome == "written"
    assert len(files(tmp_path)) == 1
    assert await taken(take_back) == {}
