"""The generic source: OneRoster 1.2 objects, signed, in an envelope or as CloudEvents."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Final

from roster_common.runtime import webhook_signatures
from sis_ingest.domain.deliveries import Incoming, Knock
from sis_ingest.ports import SourceSpec
from sis_ingest.sources.generic.cloudevents import HEADERS, check_binding, read_events
from sis_ingest.sources.generic.normalise import to_incoming
from sis_ingest.sources.generic.wire import read_envelope


class GenericWebhook:
    """`ports.WebhookReader`."""

    by_token: Final = False
    keeps: Final[Set[str]] = HEADERS

    def is_secret(self, text: str) -> bool:
        """Whether there is a key in it: base64 behind `whsec_`."""
        return webhook_signatures.is_secret(text)

    def verify(self, knock: Knock, *, secrets: Sequence[str], now: datetime) -> str:
        """The `webhook-id` of a delivery whose signature holds. Raises `NotVerified`."""
        delivery_id = webhook_signatures.verify(knock.headers, knock.body, secrets=secrets, now=now)
        check_binding(knock.headers, delivery_id)
        return delivery_id

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[Incoming]:
        """What the envelope or the events say. Raises `Invalid` naming the field."""
        said = read_events(headers, body)
        return [to_incoming(one) for one in ([read_envelope(body)] if said is None else said)]


SPEC: Final = SourceSpec(kind="generic", title="Generic webhook", webhook=GenericWebhook())
