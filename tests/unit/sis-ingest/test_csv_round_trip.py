"""Whatever roster is written as OneRoster CSV, the same roster is read from it."""

import tempfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sis_ingest.ports.snapshots import SnapshotLimits
from sis_ingest.sources import KINDS
from tests.support.roster_files import Roster, Version, export, rosters

READER = KINDS["oneroster_csv"].snapshot
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(body: bytes) -> dict[str, dict[str, Any]]:
    """Records by entity and id; nothing may be refused."""
    assert READER is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "package"
        path.write_bytes(body)
        snapshot = READER.open(path, limits=SnapshotLimits())
        found: dict[str, dict[str, Any]] = {}
        for collection in snapshot.collections:
            for chunk in snapshot.chunks(collection, rows=2):
                rows = snapshot.read(collection, chunk.rows)
                assert (rows.refused, chunk.problems) == ((), ())
                records = {row.external_id: orjson.loads(row.body or b"") for row in rows.good}
                found.setdefault(collection.entity, {}).update(records)
        assert not [w for w in snapshot.warnings if w.code != "unknown_column"]
        snapshot.close()
    return found


def filled(roster: Roster) -> dict[str, dict[str, Any]]:
    """Without collections that have no record: those have no file."""
    return {entity: dict(records) for entity, records in roster.items() if records}


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_roster_that_is_exported_and_read_is_the_same(version: Version) -> None:
    @SETTINGS
    @given(roster=rosters(version), seed=st.integers(0, 99))
    def holds(roster: Roster, seed: int) -> None:
        assert read(export(roster, version=version, seed=seed)) == filled(roster)

    holds()
