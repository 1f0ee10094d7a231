"""What the generic source can do: signed webhooks whose data is a OneRoster 1.2 object."""

from typing import Final

from sis_ingest.ports.sources import SourceSpec
from sis_ingest.signed.webhook import SignedWebhook
from sis_ingest.sources.generic.normalise import to_changes

SPEC: Final = SourceSpec(
    kind="generic", title="Generic webhook", webhook=SignedWebhook(means=to_changes)
)
