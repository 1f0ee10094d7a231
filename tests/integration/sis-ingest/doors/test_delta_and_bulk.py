"""A delta after a bulk leaves what the bulk of the end would have left."""

from collections.abc import AsyncIterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.ingest_service import Ingest, running_ingest
from tests.support.roster_files import Record, Roster, Version, export, rosters

EXAMPLES = 8
FREE = {"count": 1_000, "share": 1.0}
GUARDS = ("org", "academicSession", "course", "class", "user", "demographics", "enrollment")
LIMITS = {**{f"{entity}.remove": FREE for entity in GUARDS}, "user.add": FREE}
# Two for each example; a failing one is shown as it was found, for each try costs a second.
SOURCES = [{"id": f"s{n}", "district": f"d{n}", "limits": LIMITS} for n in range(4 * EXAMPLES)]
NUMBERS = count()
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
async def free(ingest_url: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    """The service with many sources, each of its own district, whose guards let all pass."""
    async with running_ingest(ingest_url, tmp_path, sources=SOURCES) as running:
        yield running


def between(before: Roster, after: Roster) -> tuple[Roster, Mapping[str, list[Record]]]:
    """What a delta from one roster to another tells: new contents, and last ones of what went."""
    told = {
        entity: {one: r for one, r in records.items() if before[entity].get(one) != r}
        for entity, records in after.items()
    }
    gone = {
        entity: [r for one, r in records.items() if one not in after[entity]]
        for entity, records in before.items()
    }
    return told, gone


async def stands(ingest: Ingest, number: int) -> Mapping[str, Any]:
    """Live records of the source, by entity and its own id, with its own ids inside."""
    rows = await ingest.pool.fetch(
        "SELECT entity, external_id, data::text AS data FROM sis_ingest.source_record"
        " WHERE source_id = $1 AND NOT deleted",
        f"s{number}",
    )
    return {f"{row['entity']} {row['external_id']}": orjson.loads(row["data"]) for row in rows}


async def load(ingest: Ingest, number: int, body: bytes) -> None:
    report = await ingest.load(body, source=f"s{number}")
    assert (report["state"], report["holds"], report["refusals"]) == ("completed", [], [])


@SETTINGS
@given(version=st.sampled_from(["1.1", "1.2"]), seed=st.integers(0, 99), data=st.data())
async def test_a_delta_after_a_bulk_leaves_what_the_bulk_of_the_end_leaves(
    free: Ingest, version: Version, seed: int, data: st.DataObject
) -> None:
    before, after = (data.draw(rosters(version)) for _ in range(2))
    told, gone = between(before, after)
    step, whole = next(NUMBERS), next(NUMBERS)

    await load(free, step, export(before, version=version, seed=seed))
    if any(told.values()) or any(gone.values()):
        await load(free, step, export(told, version=version, seed=seed, gone=gone))
    await load(free, whole, export(after, version=version, seed=seed))

    assert await stands(free, step) == await stands(free, whole)
