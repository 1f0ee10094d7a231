"""What the staff source can do: one CSV of everybody who works here."""

from typing import Final

from sis_ingest.ports.sources import SourceSpec
from sis_ingest.sources.staff_csv.columns import COLUMNS
from sis_ingest.sources.staff_csv.normalise import person_ids, site_ids, to_person, to_site
from sis_ingest.tables.snapshot import Layout, TableReader, Wording

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


SPEC: Final = SourceSpec(
    kind="staff_csv", title="Staff and HR CSV", snapshot=TableReader(LAYOUT), supplement=True
)
