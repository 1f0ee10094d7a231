"""Apply waiting webhooks of one source, oldest first, a batch per transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from roster_common.errors import Invalid
from sis_ingest.domain.changes import Cause, Change
from sis_ingest.domain.deliveries import Delivery, DeliveryEnd, Incoming
from sis_ingest.domain.events import ChangeReceived
from sis_ingest.ports import Clock, Source, Unit, Units, WebhookReader
from sis_ingest.usecases.record_changes import RecordChanges

MAX_DELIVERIES: Final = 200
# Why a delivery is refused that no key at hand opens. It is kept, and can be replayed with the key.
SEALED: Final = "sealed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyDeliveries:
    """Empties the inbox of one source, batch by batch."""

    units: Units
    clock: Clock
    record_changes: RecordChanges

    async def __call__(self, source: Source) -> Sequence[DeliveryEnd]:
        """How each delivery of one batch ended; empty when none waited. Commits.

        A body that cannot be read (any more) is refused with its reason; those beside it go on.
        May run twice and in two processes: the district's lock makes them take turns.
        """
        reader = source.webhook
        if reader is None:
            return ()
        async with self.units.begin("apply") as unit:
            await unit.lock_district(source.place.district_id)
            waiting = await unit.deliveries.waiting(source.place, limit=MAX_DELIVERIES)
            if not waiting:
                return ()
            ends = await self._apply(unit, source, reader, waiting)
            await unit.deliveries.finish(source.place, ends, now=self.clock.now())
        return ends

    async def _apply(
        self, unit: Unit, source: Source, reader: WebhookReader, waiting: Sequence[Delivery]
    ) -> Sequence[DeliveryEnd]:
        ends: list[DeliveryEnd] = []
        readable: list[tuple[Delivery, Change]] = []
        for delivery in waiting:
            if delivery.body is None:
                ends.append(_end(delivery, "refused", SEALED))
                continue
            try:
                incoming = reader.read(delivery.body)
            except Invalid as error:
                ends.append(_end(delivery, "refused", error.reason))
                continue
            change = _change(delivery, incoming)
            readable.append((delivery, change))
            unit.emit(_received(delivery, change))
        verdicts = await self.record_changes(unit, source.place, [c for _, c in readable])
        ends += [
            _end(delivery, "applied", verdict.value)
            for (delivery, _), verdict in zip(readable, verdicts, strict=True)
        ]
        return ends


def _end(delivery: Delivery, state: str, outcome: str) -> DeliveryEnd:
    return DeliveryEnd(
        delivery_id=delivery.delivery_id,
        state="applied" if state == "applied" else "refused",
        outcome=outcome,
    )


def _change(delivery: Delivery, incoming: Incoming) -> Change:
    return Change(
        entity=incoming.entity,
        external_id=incoming.external_id,
        record=incoming.record,
        content_hash=incoming.content_hash,
        deleted=incoming.deleted,
        version=incoming.version,
        occurred_at=incoming.occurred_at,
        cause=Cause(
            correlation_id=delivery.correlation_id,
            delivery_id=delivery.delivery_id,
            origin="webhook",
        ),
    )


def _received(delivery: Delivery, change: Change) -> ChangeReceived:
    return ChangeReceived(
        district_id=delivery.place.district_id,
        cause=change.cause,
        source_id=delivery.place.source_id,
        entity=change.entity,
        external_id=change.external_id,
        deleted=change.deleted,
        received_at=delivery.received_at,
        version=change.version,
    )
