"""Door of topic `sis.changes`: contract events in, domain changes out, one district at a time."""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from roster_common.contracts.oneroster import to_record
from roster_common.contracts.record_tobedeleted_v1 import RecordToBeDeleted
from roster_common.contracts.record_upserted_v1 import RecordUpserted
from roster_common.runtime.database import Tx
from roster_common.runtime.failpoints import failpoint
from roster_common.runtime.log.consumer import Received
from roster_publisher.domain.publication import Cause, Change
from roster_publisher.domain.records import Key
from roster_publisher.ports.publishing import RosterUnit
from roster_publisher.usecases.apply_changes import ApplyChanges

logger = structlog.get_logger(__name__)

TOPIC = "sis.changes"
UnitOf = Callable[[Tx], Awaitable[RosterUnit]]


class ChangesDoor:
    """Handler of the consumer: everything of a batch commits with its position, or not at all."""

    def __init__(self, apply: ApplyChanges, unit_of: UnitOf, ring: Callable[[], None]) -> None:
        self._apply = apply
        self._unit_of = unit_of
        self._ring = ring

    async def __call__(self, tx: Tx, events: Sequence[Received]) -> None:
        """Apply a batch inside `tx`; districts are taken in order, so that none waits crosswise."""
        unit = await self._unit_of(tx)
        by_district: dict[str, list[Change]] = {}
        for received in events:
            change = change_of(received)
            if change is not None:
                by_district.setdefault(received.event.district_id, []).append(change)
        for district_id in sorted(by_district):
            applied = await self._apply(unit, district_id, by_district[district_id])
            logger.info(
                "changes_applied",
                district=district_id,
                revision=applied.revision,
                published=applied.published,
                waiting=applied.waiting,
                unchanged=applied.unchanged,
                late=applied.late,
                unknown=applied.unknown,
            )
        tx.after_commit(self._committed)
        failpoint("publisher.apply.before_commit")

    def _committed(self) -> None:
        failpoint("publisher.apply.after_commit")
        self._ring()


def change_of(received: Received) -> Change | None:
    """The domain change in an event; None for types that publish nothing (key changes)."""
    event = received.event
    cause = Cause(event_id=event.id, correlation_id=event.correlation_id, origin=event.origin)
    match event.data:
        case RecordUpserted() as data:
            key = Key(data.ENTITY, data.record.sourced_id)
            return Change(key=key, record=to_record(data.record), time=event.time, cause=cause)
        case RecordToBeDeleted() as data:
            key = Key(data.ENTITY, data.sourced_id)
            return Change(
                key=key,
                record=None,
                time=event.time,
                cause=cause,
                merged_into=data.merged_into,
            )
        case _:
            return None
