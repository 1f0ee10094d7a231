"""What the generic source can do: Standard Webhooks with OneRoster 1.2 objects."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Final

from roster_common.runtime import webhook_signatures
from sis_ingest.domain.deliveries import Incoming, Knock
from sis_ingest.ports import SourceSpec
from sis_ingest.sources.generic.normalise import to_incoming
from sis_ingest.sources.generic.wire import read_envelope


class GenericWebhook:
    """`ports.WebhookReader`."""

    by_token: Final = False
    keeps: Final[Set[str]] = frozenset()

    def is_secret(self, text: str) -> bool:
        """Whether there is a key in it: base64 behind `whsec_`."""
        return webhook_signatures.is_secret(text)

    def verify(self, knock: Knock, *, secrets: Sequence[str], now: datetime) -> str:
        """The `webhook-id` of a delivery whose signature holds. Raises `NotVerified`."""
        return webhook_signatures.verify(knock.headers, knock.body, secrets=secrets, now=now)

    def read(self, _headers: Mapping[str, str], body: bytes) -> Sequence[Incoming]:
        """The one change that the body tells. Raises `Invalid` naming the field."""
        return [to_incoming(read_envelope(body))]


SPEC: Final = SourceSpec(kind="generic", title="Generic webhook", webhook=GenericWebhook())
