"""Apply waiting webhooks of one source, oldest first, a batch per transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from roster_common.errors import Invalid
from sis_ingest.domain.changes import Cause, Change, Verdict
from sis_ingest.domain.deliveries import Delivery, DeliveryEnd, Incoming, Place
from sis_ingest.domain.events import ChangeReceived
from sis_ingest.ports import Clock
from sis_ingest.ports.sources import Source, WebhookReader
from sis_ingest.ports.units import Unit, Units
from sis_ingest.usecases.record_changes import RecordChanges

MAX_DELIVERIES: Final = 200
# Why a delivery is refused that no key at hand opens. It is kept, and can be replayed with the key.
SEALED: Final = "sealed"
# One delivery may tell many changes; a batch that has so many takes no further delivery.
MAX_CHANGES: Final = 2_000
# The end of a delivery that tells no change.
NOTHING_SAID: Final = "nothing_said"

_WEIGHT: Final[Mapping[Verdict, int]] = {Verdict.NEW: 0, Verdict.CHANGED: 0, Verdict.HELD: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """How the deliveries of one batch ended, and whether `more` may wait."""

    ends: Sequence[DeliveryEnd]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDelivery:
    """A delivery and the changes it tells; none, and why, where it cannot be read."""

    delivery: Delivery
    changes: Sequence[Change]
    refusal: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyDeliveries:
    """Empties the inbox of one source, batch by batch."""

    units: Units
    clock: Clock
    record_changes: RecordChanges

    async def __call__(self, source: Source) -> Applied:
        """One batch; its ends are empty when none waited. Commits.

        A delivery that cannot be read (any more) is refused with its reason; those beside it go
        on. One that tells several changes ends as the first that was new or changed, else as
        held, else as its first. May run twice and in two processes: the district's lock makes
        them take turns.
        """
        reader = source.webhook
        if reader is None:
            return Applied(ends=(), more=False)
        async with self.units.begin("apply") as unit:
            await unit.lock_district(source.place.district_id)
            waiting = await unit.deliveries.waiting(source.place, limit=MAX_DELIVERIES)
            if not waiting:
                return Applied(ends=(), more=False)
            ends = await self._apply(unit, source, reader, waiting)
            await unit.deliveries.finish(source.place, ends, now=self.clock.now())
        more = len(waiting) == MAX_DELIVERIES or len(ends) < len(waiting)
        return Applied(ends=ends, more=more)

    async def _apply(
        self, unit: Unit, source: Source, reader: WebhookReader, waiting: Sequence[Delivery]
    ) -> Sequence[DeliveryEnd]:
        batch = read_deliveries(reader, waiting)
        for one in batch:
            for change in one.changes:
                unit.emit(_received(one.delivery, change, reader))
        return await settle_deliveries(self.record_changes, unit, source.place, batch)


async def settle_deliveries(
    record_changes: RecordChanges, unit: Unit, place: Place, batch: Sequence[ReadDelivery]
) -> Sequence[DeliveryEnd]:
    """How each ended, in order. The unit holds the district's lock; never commits."""
    changes = [change for one in batch for change in one.changes]
    verdicts = iter(await record_changes(unit, place, changes))
    return [_end(one, list(islice(verdicts, len(one.changes)))) for one in batch]


def read_deliveries(reader: WebhookReader, waiting: Iterable[Delivery]) -> Sequence[ReadDelivery]:
    """The first of them, in order, until they tell as many changes as a batch may have."""
    batch: list[ReadDelivery] = []
    size = 0
    for delivery in waiting:
        if size >= MAX_CHANGES:
            break
        if delivery.body is None:
            batch.append(ReadDelivery(delivery=delivery, changes=(), refusal=SEALED))
            continue
        try:
            told = reader.read(delivery.headers, delivery.body)
        except Invalid as error:
            batch.append(ReadDelivery(delivery=delivery, changes=(), refusal=error.reason))
            continue
        changes = [_change(delivery, incoming) for incoming in told]
        batch.append(ReadDelivery(delivery=delivery, changes=changes, refusal=None))
        size += len(changes)
    return batch


def _end(read: ReadDelivery, verdicts: Sequence[Verdict]) -> DeliveryEnd:
    return DeliveryEnd(
        delivery_id=read.delivery.delivery_id,
        state="applied" if read.refusal is None else "refused",
        outcome=read.refusal or outcome_of(verdicts),
    )


def outcome_of(verdicts: Sequence[Verdict]) -> str:
    """One word for a delivery that tells several changes: the weightiest of theirs."""
    if not verdicts:
        return NOTHING_SAID
    return min(verdicts, key=lambda verdict: _WEIGHT.get(verdict, len(_WEIGHT))).value


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


def _received(delivery: Delivery, change: Change, reader: WebhookReader) -> ChangeReceived:
    return ChangeReceived(
        district_id=delivery.place.district_id,
        cause=change.cause,
        source_id=delivery.place.source_id,
        entity=change.entity,
        external_id=change.external_id,
        deleted=change.deleted,
        received_at=delivery.received_at,
        verified="key" if reader.by_token else "hmac",
        version=change.version,
    )
