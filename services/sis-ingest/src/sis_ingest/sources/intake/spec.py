"""What the registration intake can do: signed webhooks, and a CSV with a row per registration."""

from typing import Final

from sis_ingest.ports.sources import SourceSpec
from sis_ingest.signed.webhook import SignedWebhook
from sis_ingest.sources.intake.table import LAYOUT
from sis_ingest.sources.intake.webhook import to_changes
from sis_ingest.tables.snapshot import TableReader

SPEC: Final = SourceSpec(
    kind="intake",
    title="Registration intake",
    webhook=SignedWebhook(means=to_changes),
    snapshot=TableReader(LAYOUT),
    supplement=True,
)
