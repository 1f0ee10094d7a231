"""Standard Webhooks signatures, as every generic door checks them. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from roster_common.errors import Invalid
from roster_common.runtime import webhook_signatures
from ticket_events.ports import NotVerified


def verify(
    headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime
) -> str:
    """The sender's id of the delivery. Any one of `secrets` may have signed it.

    Raises `NotVerified` with the shared rule's codes and headers.
    """
    try:
        return webhook_signatures.verify(headers, body, secrets=secrets, now=now)
    except Invalid as error:
        raise NotVerified(error.reason, field=error.field) from None
