"""Accept a webhook: prove the sender, read it whole, keep it, and only then say yes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from roster_common.errors import Invalid
from sis_ingest.domain.deliveries import Delivery, Knock
from sis_ingest.ports import Clock, Ids
from sis_ingest.ports.sources import Source
from sis_ingest.ports.stores import StoredDelivery
from sis_ingest.ports.units import Inbox

# A change from the future would win against every later one; the sender's clock must be right
# anyway for its signature to be taken.
MAX_FUTURE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptDelivery:
    """Keeps webhooks. `poke` wakes whoever applies them; called after the commit."""

    inbox: Inbox
    clock: Clock
    ids: Ids
    poke: Callable[[], None]

    async def __call__(
        self, source: Source, knock: Knock, *, correlation_id: str
    ) -> StoredDelivery:
        """The delivery's ids, durable on return; the first ones when it was here before.

        Raises `NotVerified`, or `Invalid` naming the field; nothing is kept then. Commits. May
        run twice: a repeated delivery changes nothing. Source: Standard Webhooks, blueprint 1-2.
        """
        if source.webhook is None:
            raise Invalid("no_webhooks")
        now = self.clock.now()
        external_id = source.webhook.verify(knock, secrets=source.secrets, now=now)
        headers = knock.kept(source.webhook.keeps)
        for incoming in source.webhook.read(headers, knock.body):
            if incoming.occurred_at > now + MAX_FUTURE:
                raise Invalid("in_the_future", field=incoming.time_field)
        delivery = Delivery(
            delivery_id=self.ids.new_id(),
            place=source.place,
            external_id=external_id,
            correlation_id=correlation_id,
            received_at=now,
            headers=headers,
            body=knock.body,
        )
        stored = await self.inbox.keep(delivery)
        self.poke()
        return stored
