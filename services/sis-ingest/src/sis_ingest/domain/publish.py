"""From what sources say to the one resolved record, and to the events that tell of it. Pure.

One source per record decides today; where several sources share a record, authority will choose
between them here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sis_ingest.domain.changes import Write
from sis_ingest.domain.entities import Entity, id_space
from sis_ingest.domain.events import RecordToBeDeleted, RecordUpserted
from sis_ingest.domain.records import Record, changed_fields, content_hash, to_bytes
from sis_ingest.domain.references import IdKey, with_ids

ResolvedKey: TypeAlias = tuple[Entity, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The record the house works with: our id, our references."""

    entity: Entity
    entity_id: str
    record: Record
    body: bytes
    content_hash: bytes
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Resolved records to store, and the events to emit with them."""

    records: tuple[Resolved, ...]
    events: tuple[RecordUpserted | RecordToBeDeleted, ...]


def publish(
    district_id: str,
    writes: Sequence[Write],
    ids: Mapping[IdKey, str],
    before: Mapping[ResolvedKey, Resolved],
) -> Published:
    """What the writes change in the resolved records; writes without effect give nothing.

    `ids` covers every id in the upserted records. A deletion of what was never published is
    silent: nobody holds a copy.
    """
    records: list[Resolved] = []
    events: list[RecordUpserted | RecordToBeDeleted] = []
    for write in writes:
        change = write.change
        if not write.content:
            continue
        own = ids.get((id_space(change.entity), change.external_id))
        old = None if own is None else before.get((change.entity, own))
        if change.deleted or change.record is None:
            if old is None or old.deleted:
                continue
            records.append(_gone(old))
            events.append(
                RecordToBeDeleted(
                    district_id=district_id,
                    cause=change.cause,
                    entity=change.entity,
                    entity_id=old.entity_id,
                    reason="source_deleted",
                )
            )
            continue
        new = _resolved(change.entity, change.record, ids)
        if old is not None and not old.deleted and old.content_hash == new.content_hash:
            continue
        live = old if old is not None and not old.deleted else None
        records.append(new)
        events.append(
            RecordUpserted(
                district_id=district_id,
                cause=change.cause,
                entity=change.entity,
                record=new.record,
                changed=changed_fields(None if live is None else live.record, new.record),
                before_hash=None if old is None else old.content_hash,
            )
        )
    return Published(records=tuple(records), events=tuple(events))


def _resolved(entity: Entity, record: Record, ids: Mapping[IdKey, str]) -> Resolved:
    ours = with_ids(entity, record, ids)
    body = to_bytes(ours)
    return Resolved(
        entity=entity,
        entity_id=ours["sourcedId"],
        record=ours,
        body=body,
        content_hash=content_hash(body),
        deleted=False,
    )


def _gone(old: Resolved) -> Resolved:
    return Resolved(
        entity=old.entity,
        entity_id=old.entity_id,
        record=old.record,
        body=old.body,
        content_hash=old.content_hash,
        deleted=True,
    )
