"""From what sources say to the one resolved record, and to the events that tell of it. Pure.

Several source records may stand behind one resolved record: after a link or a merge, or when two
sources know a person. One of them speaks (`speaker`), the others wait; ADR 0014.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from sis_ingest.domain.changes import Cause
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.events import RecordToBeDeleted, RecordUpserted
from sis_ingest.domain.records import Record, changed_fields, content_hash, to_bytes

ResolvedKey: TypeAlias = tuple[Entity, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The record the house works with: our id, our references.

    `correlation_id` names the delivery that last changed it.
    """

    entity: Entity
    entity_id: str
    record: Record
    body: bytes
    content_hash: bytes
    deleted: bool
    correlation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One source record behind a resolved record. `since`: when its id first meant ours."""

    entity: Entity
    entity_id: str
    place: Place
    external_id: str
    since: datetime
    record: Record | None
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is true of a resolved record now: `record` under our ids, or None when it is gone.

    `merged_into` is the id that stands for one gone as `merged`.
    """

    entity: Entity
    entity_id: str
    record: Record | None
    cause: Cause
    gone: Literal["source_deleted", "not_in_snapshot", "merged"] = "source_deleted"
    merged_into: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Resolved records to store, and the events to emit with them."""

    records: tuple[Resolved, ...]
    events: tuple[RecordUpserted | RecordToBeDeleted, ...]


def speaker(voices: Iterable[Voice]) -> Voice | None:
    """Who speaks: of those that live, the one that has meant this record for longest.

    It does not depend on who spoke last, so two sources that disagree do not take turns, and the
    order of deliveries does not matter. None when no source has the record any more.
    """
    live = [voice for voice in voices if not voice.deleted and voice.record is not None]
    return min(live, key=lambda v: (v.since, v.place.source_id, v.external_id), default=None)


def publish(
    district_id: str, said: Sequence[Said], before: Mapping[ResolvedKey, Resolved]
) -> Published:
    """What is new in the resolved records; what says the same as before gives nothing.

    A deletion of what was never published is silent: nobody holds a copy. One by a merge is told
    of what had gone before, too: whoever acted on its going learns that it lives under another id.
    """
    records: list[Resolved] = []
    events: list[RecordUpserted | RecordToBeDeleted] = []
    for one in said:
        old = before.get((one.entity, one.entity_id))
        live = old if old is not None and not old.deleted else None
        if one.record is None:
            if old is None or (live is None and one.merged_into is None):
                continue
            if live is not None:
                records.append(_gone(live, one.cause))
            events.append(
                RecordToBeDeleted(
                    district_id=district_id,
                    cause=one.cause,
                    entity=one.entity,
                    entity_id=one.entity_id,
                    reason=one.gone,
                    merged_into=one.merged_into,
                )
            )
            continue
        new = _resolved(one, one.record)
        if live is not None and live.content_hash == new.content_hash:
            continue
        records.append(new)
        events.append(
            RecordUpserted(
                district_id=district_id,
                cause=one.cause,
                entity=one.entity,
                record=new.record,
                changed=changed_fields(None if live is None else live.record, new.record),
                before_hash=None if old is None else old.content_hash,
            )
        )
    return Published(records=tuple(records), events=tuple(events))


def _resolved(said: Said, record: Record) -> Resolved:
    body = to_bytes(record)
    return Resolved(
        entity=said.entity,
        entity_id=said.entity_id,
        record=record,
        body=body,
        content_hash=content_hash(body),
        deleted=False,
        correlation_id=said.cause.correlation_id,
    )


def _gone(old: Resolved, cause: Cause) -> Resolved:
    return Resolved(
        entity=old.entity,
        entity_id=old.entity_id,
        record=old.record,
        body=old.body,
        content_hash=old.content_hash,
        deleted=True,
        correlation_id=cause.correlation_id,
    )
