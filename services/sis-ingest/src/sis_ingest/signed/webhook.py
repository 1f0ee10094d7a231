"""The webhook of a source that signs: Standard Webhooks, an envelope or CloudEvents in the body."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from roster_common.runtime import webhook_signatures
from sis_ingest.domain.deliveries import Incoming, Knock
from sis_ingest.signed.cloudevents import HEADERS, check_binding, read_events
from sis_ingest.signed.statement import Statement, read_envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedWebhook:
    """`ports.WebhookReader`. `means` turns one statement into changes; pure, raises `Invalid`."""

    means: Callable[[Statement], Sequence[Incoming]]
    by_token: ClassVar[bool] = False
    keeps: ClassVar[Set[str]] = HEADERS

    def is_secret(self, text: str) -> bool:
        """Whether there is a key in it: base64 behind `whsec_`."""
        return webhook_signatures.is_secret(text)

    def verify(self, knock: Knock, *, secrets: Sequence[str], now: datetime) -> str:
        """The `webhook-id` of a delivery whose signature holds. Raises `NotVerified`."""
        delivery_id = webhook_signatures.verify(knock.headers, knock.body, secrets=secrets, now=now)
        check_binding(knock.headers, delivery_id)
        return delivery_id

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[Incoming]:
        """What the envelope or the events mean. Raises `Invalid` naming the field."""
        said = read_events(headers, body)
        if said is None:
            return self.means(read_envelope(body))
        return [incoming for one in said for incoming in self.means(one)]
