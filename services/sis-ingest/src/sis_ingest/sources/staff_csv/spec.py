"""What the staff source can do: one CSV of everybody who works here."""

from pathlib import Path
from typing import Final

from sis_ingest.ports import OpenSnapshot, SnapshotLimits, SourceSpec
from sis_ingest.sources.staff_csv.columns import COLUMNS
from sis_ingest.sources.staff_csv.normalise import person_ids, site_ids, to_person, to_site
from sis_ingest.tables.snapshot import Layout, TableSnapshot, Wording

LAYOUT: Final = Layout(
    file="staff.csv",
    columns=COLUMNS,
    id_column="employeeId",
    meaning=1,
    wordings=(
        # That nobody works at a site says nothing about the site.
        Wording(entity="org", mode="delta", rows="first", ids=site_ids, read=to_site),
        Wording(entity="user", mode="bulk", rows="all", ids=person_ids, read=to_person),
    ),
)


class StaffCsv:
    """`ports.SnapshotReader`."""

    def open(self, path: Path, *, limits: SnapshotLimits) -> OpenSnapshot:
        """The checked file. Raises `SnapshotRefused` with everything that is wrong with it."""
        return TableSnapshot(path, LAYOUT, limits=limits)


SPEC: Final = SourceSpec(
    kind="staff_csv", title="Staff and HR CSV", snapshot=StaffCsv(), supplement=True
)
