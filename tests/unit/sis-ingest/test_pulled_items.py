"""What was pulled, read again from its package: odd items are refused, none stops the reading."""

from pathlib import Path
from typing import Any

import pytest

from sis_ingest.adapters.pull_files import DiskPullFiles, PulledPackage
from sis_ingest.domain.snapshots import RawRow, Rows
from sis_ingest.ports.pulls import Access, PullSpec
from sis_ingest.sources.oneroster_rest.spec import SPEC as ONEROSTER
from sis_ingest.sources.powerschool.spec import SPEC

ACCESS = Access(base_url="https://ps.example", client_id="c", page_size=40)
PULL = "00000000-0000-0000-0000-000000000001"


async def package(
    folder: Path, section: str, *items: Any, pull: PullSpec | None = SPEC.pull
) -> PulledPackage:
    files = DiskPullFiles(folder)
    size = await files.append(PULL, section, items, at=0)
    manifest = {"mode": {section: "bulk"}, "faults": {}}
    path = folder / "pulled.zip"
    path.write_bytes(b"".join([p async for p in files.packed(PULL, {section: size}, manifest)]))
    assert pull is not None
    return PulledPackage(path, pull, ACCESS)


def read(pulled: PulledPackage) -> tuple[list[RawRow], Rows]:
    collection = pulled.collections[0]
    rows = [row for chunk in pulled.chunks(collection, rows=100) for row in chunk.rows]
    return rows, pulled.read(collection, rows)


def course(number: int, name: str = "Algebra") -> dict[str, Any]:
    return {"id": number, "course_name": name, "course_number": f"C{number}"}


async def test_a_course_listed_at_many_schools_is_one_row(tmp_path: Path) -> None:
    rows, _ = read(await package(tmp_path, "courses", course(1), course(2), course(1)))

    assert [row.external_id for row in rows] == ["course-1", "course-2"]


async def test_one_id_with_two_contents_stays_twice(tmp_path: Path) -> None:
    rows, _ = read(await package(tmp_path, "courses", course(1), course(1, "Geometry")))

    assert [row.external_id for row in rows] == ["course-1", "course-1"]


@pytest.mark.parametrize(
    ("odd", "reason", "field"),
    [
        ({"course_name": "no id"}, "unreadable_item", "sourcedId"),
        ({"id": [1]}, "unreadable_item", "sourcedId"),
        ({"id": 2, "course_name": {"a": 1}}, "string_type", "title"),
    ],
)
async def test_an_odd_item_is_refused_and_its_neighbours_are_read(
    tmp_path: Path, odd: dict[str, Any], reason: str, field: str | None
) -> None:
    _, found = read(await package(tmp_path, "courses", course(1), odd, course(3)))

    assert [row.external_id for row in found.good] == ["course-1", "course-3"]
    assert [(one.reason, one.field) for one in found.refused] == [(reason, field)]


async def test_what_no_wording_foresaw_is_a_refusal(tmp_path: Path) -> None:
    post = {"school_id": [4], "type": 1}
    odd = {"id": 1, "users_dcid": 5, "school_affiliations": {"school_affiliation": [post]}}

    _, found = read(await package(tmp_path, "staff", odd))

    assert [one.reason for one in found.refused] == ["unreadable_item"]


@pytest.mark.parametrize("name", ["u\x001", "u" * 256])
async def test_an_id_that_no_store_keeps_is_refused_before_the_store_is_asked(
    tmp_path: Path, name: str
) -> None:
    items = [{"sourcedId": one, "name": "Org", "type": "school"} for one in (name, "o1")]

    rows, found = read(await package(tmp_path, "orgs", *items, pull=ONEROSTER.pull))

    assert [row.external_id for row in rows] == ["", "o1"]
    assert [(one.reason, one.field) for one in found.refused] == [("unreadable_item", "sourcedId")]
