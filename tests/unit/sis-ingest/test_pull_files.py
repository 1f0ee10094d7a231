"""Raw pages of a pull on disk: a cursor counts only while its pages are there."""

from pathlib import Path

from sis_ingest.adapters.pull_files import DiskPullFiles

PULL = "2a1ff2a2-31b8-4b26-93fb-7b6e3a1ae7f0"


async def test_pages_hold_until_one_is_gone_or_short(tmp_path: Path) -> None:
    pages = DiskPullFiles(tmp_path / "pulls")
    size = await pages.append(PULL, "users", [{"sourcedId": "u1"}], at=0)
    file = tmp_path / "pulls" / PULL / "users.ndjson"

    assert await pages.hold(PULL, {"users": size, "classes": 0})
    assert not await pages.hold(PULL, {"users": size, "classes": 1})
    file.write_bytes(file.read_bytes()[:-1])
    assert not await pages.hold(PULL, {"users": size})
    await pages.drop(PULL)
    assert not await pages.hold(PULL, {"users": size})
