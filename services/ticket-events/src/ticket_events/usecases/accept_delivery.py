"""Accept a desk's webhook: prove the sender, understand it, keep that, and only then say yes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from roster_common.errors import Invalid
from roster_common.ports import Clock, IdSource
from ticket_events.domain.delivery import Delivery, StoredDelivery
from ticket_events.ports import Desk, Units

# A fact from the future would win against every later one.
MAX_FUTURE: Final = timedelta(minutes=5)
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptDelivery:
    """Keeps webhooks. `poke` wakes whoever applies them; called after the commit."""

    units: Units
    clock: Clock
    ids: IdSource
    poke: Callable[[], None]

    async def __call__(
        self, desk: Desk, headers: Mapping[str, str], body: bytes, *, correlation_id: str
    ) -> StoredDelivery:
        """The delivery's ids, durable on return; the first ones when it was here before.

        Raises `NotVerified`, or `Invalid` naming the field; nothing is kept then. Commits. May
        run twice. What is kept holds no text of the ticket. Source: Standard Webhooks.
        """
        now = self.clock.now()
        external_id = desk.reader.verify(headers, body, secrets=desk.secrets, now=now)
        incoming = desk.reader.read(body)
        if incoming.occurred_at > now + MAX_FUTURE:
            raise Invalid("in_the_future", field="occurredAt")
        if incoming.occurred_at < EARLIEST:
            raise Invalid("out_of_range", field="occurredAt")
        delivery = Delivery(
            district_id=desk.district_id,
            delivery_id=self.ids.new_id(),
            desk=desk.desk_id,
            external_id=external_id,
            correlation_id=correlation_id,
            received_at=now,
            body=desk.reader.essence(body),
        )
        async with self.units.begin("accept") as unit:
            stored = await unit.deliveries.put(delivery)
        self.poke()
        return stored
