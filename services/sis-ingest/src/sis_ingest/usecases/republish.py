"""Republish: tell the house every resolved record of a district again."""

from dataclasses import dataclass
from typing import Final

from sis_ingest.domain.changes import Cause
from sis_ingest.domain.events import RecordToBeDeleted, RecordUpserted
from sis_ingest.domain.publish import Resolved, ResolvedKey
from sis_ingest.domain.records import changed_fields
from sis_ingest.ports import Ids
from sis_ingest.ports.units import Units

BATCH: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Republished:
    """How many events were emitted."""

    upserted: int
    deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Republish:
    """Re-emits resolved records, for a consumer that begins or has lost something."""

    units: Units
    ids: Ids

    async def __call__(self, district_id: str, *, correlation_id: str) -> Republished:
        """Emits with origin `republish`; commits per batch of a thousand records.

        The district is locked within a batch, so an older state never follows a newer one. May
        run again at any time: consumers that have the content already change nothing.
        """
        cause = Cause(
            correlation_id=correlation_id, delivery_id=self.ids.new_id(), origin="republish"
        )
        upserted = deleted = 0
        after: ResolvedKey | None = None
        while True:
            async with self.units.begin("run") as unit:
                await unit.lock_district(district_id)
                page = await unit.records.resolved_after(district_id, after, limit=BATCH)
                for record in page:
                    unit.emit(_event(district_id, cause, record))
            if not page:
                return Republished(upserted=upserted, deleted=deleted)
            gone = sum(record.deleted for record in page)
            upserted += len(page) - gone
            deleted += gone
            after = (page[-1].entity, page[-1].entity_id)


def _event(district_id: str, cause: Cause, record: Resolved) -> RecordUpserted | RecordToBeDeleted:
    if record.deleted:
        return RecordToBeDeleted(
            district_id=district_id,
            cause=cause,
            entity=record.entity,
            entity_id=record.entity_id,
            reason="republished",
        )
    return RecordUpserted(
        district_id=district_id,
        cause=cause,
        entity=record.entity,
        record=record.record,
        changed=changed_fields(None, record.record),
        before_hash=None,
    )
