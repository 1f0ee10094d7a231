"""Raw files on disk: what lies there untouched for long."""

import os
from datetime import UTC, datetime
from pathlib import Path

from sis_ingest.adapters.files import DiskSnapshotFiles

OLD = datetime(2026, 9, 1, tzinfo=UTC)
SINCE = datetime(2026, 9, 2, tzinfo=UTC)
NAMES = [f"01a21333-d340-7505-8f8d-8fc2c76bb07{n}" for n in range(3)]


async def test_a_file_that_is_renamed_while_it_is_looked_at_hides_no_other(tmp_path: Path) -> None:
    """An upload that ends takes its `.part` away between the listing and the look at its age."""
    for name in (NAMES[0], NAMES[2]):
        file = tmp_path / f"{name}.raw"
        file.write_bytes(b"x")
        os.utime(file, (OLD.timestamp(), OLD.timestamp()))
    # Listed, and not there: as the folder shows such a file.
    (tmp_path / f"{NAMES[1]}.part").symlink_to(tmp_path / "not-here")

    assert await DiskSnapshotFiles(tmp_path).untouched(SINCE) == [NAMES[0], NAMES[2]]
