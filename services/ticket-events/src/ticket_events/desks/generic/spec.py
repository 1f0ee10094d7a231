"""What the generic desk can do: Standard Webhooks that tell facts of tickets."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from roster_common.runtime import webhook_signatures
from ticket_events.desks.generic.normalise import to_incoming
from ticket_events.desks.generic.wire import essence, read_envelope
from ticket_events.domain.delivery import Incoming
from ticket_events.ports import DeskSpec


class GenericDesk:
    """`ports.DeskReader`."""

    def is_secret(self, text: str) -> bool:
        """Whether there is a key in it: base64 behind `whsec_`."""
        return webhook_signatures.is_secret(text)

    def verify(
        self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime
    ) -> str:
        """The `webhook-id` of a delivery whose signature holds. Raises `NotVerified`."""
        return webhook_signatures.verify(headers, body, secrets=secrets, now=now)

    def read(self, body: bytes) -> Incoming:
        """What the body says. Raises `Invalid` naming the field."""
        return to_incoming(read_envelope(body))

    def essence(self, body: bytes) -> bytes:
        """The body without what is not kept. Raises `Invalid` naming the field."""
        return essence(body)


SPEC: Final = DeskSpec(kind="generic", title="Generic desk webhook", reader=GenericDesk())
