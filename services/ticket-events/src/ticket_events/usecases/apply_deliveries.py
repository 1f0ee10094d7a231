"""Apply waiting webhooks of one desk, oldest first, a batch per transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from roster_common.errors import Invalid
from roster_common.ports import Clock
from ticket_events.domain.cause import Cause
from ticket_events.domain.delivery import Delivery, DeliveryEnd, Incoming
from ticket_events.domain.ticket import TicketFact
from ticket_events.ports import Desk, Units
from ticket_events.usecases.record_tickets import RecordTickets

MAX_DELIVERIES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyDeliveries:
    """Empties the inbox of one desk, batch by batch."""

    units: Units
    clock: Clock
    record: RecordTickets

    async def __call__(self, desk: Desk) -> Sequence[DeliveryEnd]:
        """How each delivery of one batch ended; empty when none waited. Commits.

        May run twice and in two processes: the district's lock makes them take turns.
        """
        async with self.units.begin("apply") as unit:
            await unit.lock_district(desk.district_id)
            waiting = await unit.deliveries.waiting(desk, limit=MAX_DELIVERIES)
            if not waiting:
                return ()
            ends: list[DeliveryEnd] = []
            facts: list[tuple[Delivery, TicketFact]] = []
            for delivery in waiting:
                try:
                    facts.append((delivery, _fact(delivery, desk.reader.read(delivery.body))))
                except Invalid as error:
                    ends.append(
                        DeliveryEnd(
                            delivery_id=delivery.delivery_id,
                            state="refused",
                            outcome=error.reason,
                        )
                    )
            new = await self.record(
                unit,
                desk.district_id,
                [fact for _, fact in facts],
                time_zone=desk.time_zone,
            )
            ends += [
                DeliveryEnd(
                    delivery_id=delivery.delivery_id,
                    state="applied",
                    outcome=(
                        "applied" if (fact.desk, fact.ticket_id, fact.key) in new else "repeated"
                    ),
                )
                for delivery, fact in facts
            ]
            await unit.deliveries.finish(desk.district_id, ends, now=self.clock.now())
        return ends


def _fact(delivery: Delivery, incoming: Incoming) -> TicketFact:
    return TicketFact(
        desk=delivery.desk,
        ticket_id=incoming.ticket_id,
        happening=incoming.happening,
        occurred_at=incoming.occurred_at,
        sequence=incoming.sequence,
        traits=incoming.traits,
        public=incoming.public,
        by_agent=incoming.by_agent,
        into_ticket_id=incoming.into_ticket_id,
        cause=Cause(correlation_id=delivery.correlation_id, origin="webhook"),
    )
