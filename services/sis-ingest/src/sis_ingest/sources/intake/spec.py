"""What the registration intake can do: signed webhooks, and a CSV with a row per registration."""

from pathlib import Path
from typing import Final

from sis_ingest.ports import OpenSnapshot, SnapshotLimits, SourceSpec
from sis_ingest.signed.webhook import SignedWebhook
from sis_ingest.sources.intake.table import LAYOUT
from sis_ingest.sources.intake.webhook import to_changes
from sis_ingest.tables.snapshot import TableSnapshot


class RegistrationCsv:
    """`ports.SnapshotReader`."""

    def open(self, path: Path, *, limits: SnapshotLimits) -> OpenSnapshot:
        """The checked file. Raises `SnapshotRefused` with everything that is wrong with it."""
        return TableSnapshot(path, LAYOUT, limits=limits)


SPEC: Final = SourceSpec(
    kind="intake",
    title="Registration intake",
    webhook=SignedWebhook(means=to_changes),
    snapshot=RegistrationCsv(),
    supplement=True,
)
