"""What the OneRoster CSV source can do: snapshots in files of version 1.1 and 1.2."""

from pathlib import Path
from typing import Final

from sis_ingest.ports import OpenSnapshot, SnapshotLimits, SourceSpec
from sis_ingest.sources.oneroster_csv.reader import OneRosterPackage


class OneRosterCsv:
    """`ports.SnapshotReader`."""

    def open(self, path: Path, *, limits: SnapshotLimits) -> OpenSnapshot:
        """The checked package. Raises `SnapshotRefused` with everything that is wrong with it."""
        return OneRosterPackage(path, limits=limits)


SPEC: Final = SourceSpec(kind="oneroster_csv", title="OneRoster CSV", snapshot=OneRosterCsv())
