"""From what sources say to the one resolved record, and to the events that tell of it. Pure.

Several source records may stand behind one resolved record: after a link or a merge, or when two
sources know a person. One of them speaks (domain/authority.py), the others are silent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from sis_ingest.domain.changes import Cause
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.events import RecordToBeDeleted, RecordUpserted
from sis_ingest.domain.records import Record, changed_fields, content_hash, to_bytes

ResolvedKey: TypeAlias = tuple[Entity, str]
GoneReason: TypeAlias = Literal["source_deleted", "not_in_snapshot", "merged", "no_authority"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The record the house works with: our id, our references.

    `correlation_id` names the delivery that last changed it. One that nobody may speak for is kept
    as deleted, so that it can be recognised; unless it was `told` of once, nobody knows of it.
    """

    entity: Entity
    entity_id: str
    record: Record
    body: bytes
    content_hash: bytes
    deleted: bool
    correlation_id: str
    told: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One source record behind a resolved record. `since`: when its id first meant ours.

    `school_id` is where it puts the record, by our id; empty for what is the whole district's.
    """

    entity: Entity
    entity_id: str
    place: Place
    external_id: str
    since: datetime
    record: Record | None
    deleted: bool
    school_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is true of a resolved record now: `record` under our ids, or None when it is gone.

    A `silent` one is known by sources without authority alone, and gone for everybody else.
    `merged_into` is the id that stands for one gone as `merged`.
    """

    entity: Entity
    entity_id: str
    record: Record | None
    cause: Cause
    gone: GoneReason = "source_deleted"
    merged_into: str | None = None
    silent: bool = False

    @property
    def key(self) -> ResolvedKey:
        """Names the resolved record."""
        return self.entity, self.entity_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Resolved records to store, and the events to emit with them."""

    records: tuple[Resolved, ...]
    events: tuple[RecordUpserted | RecordToBeDeleted, ...]


def publish(
    district_id: str, said: Sequence[Said], before: Mapping[ResolvedKey, Resolved]
) -> Published:
    """What is new in the resolved records; what says the same as before gives nothing.

    A deletion of what was never told of is silent: nobody holds a copy. One by a merge is told
    of what had gone before, too: whoever acted on its going learns that it lives under another id.
    """
    records: list[Resolved] = []
    events: list[RecordUpserted | RecordToBeDeleted] = []
    for one in said:
        old = before.get(one.key)
        new = _after(one, old)
        if new is not None:
            records.append(new)
        if new is not None and not new.deleted:
            events.append(_upserted(district_id, one, old, new))
        elif _is_told_gone(one, old):
            events.append(_to_be_deleted(district_id, one))
    return Published(records=tuple(records), events=tuple(events))


def _after(said: Said, old: Resolved | None) -> Resolved | None:
    """The record to store, if it differs from the one that stands."""
    if said.record is None:
        return _gone(old, said.cause) if old is not None and not old.deleted else None
    new = _resolved(said, said.record, told=not said.silent or (old is not None and old.told))
    same = old is not None and old.deleted == new.deleted and old.content_hash == new.content_hash
    return None if same else new


def _is_told_gone(said: Said, old: Resolved | None) -> bool:
    if old is None or not old.told or (said.record is not None and not said.silent):
        return False
    return not old.deleted or said.merged_into is not None


def _upserted(district_id: str, said: Said, old: Resolved | None, new: Resolved) -> RecordUpserted:
    known = old if old is not None and old.told else None
    live = known if known is not None and not known.deleted else None
    return RecordUpserted(
        district_id=district_id,
        cause=said.cause,
        entity=said.entity,
        record=new.record,
        changed=changed_fields(None if live is None else live.record, new.record),
        before_hash=None if known is None else known.content_hash,
    )


def _to_be_deleted(district_id: str, said: Said) -> RecordToBeDeleted:
    return RecordToBeDeleted(
        district_id=district_id,
        cause=said.cause,
        entity=said.entity,
        entity_id=said.entity_id,
        reason=said.gone,
        merged_into=said.merged_into,
    )


def _resolved(said: Said, record: Record, *, told: bool) -> Resolved:
    body = to_bytes(record)
    return Resolved(
        entity=said.entity,
        entity_id=said.entity_id,
        record=record,
        body=body,
        content_hash=content_hash(body),
        deleted=said.silent,
        correlation_id=said.cause.correlation_id,
        told=told,
    )


def _gone(old: Resolved, cause: Cause) -> Resolved:
    return replace(old, deleted=True, correlation_id=cause.correlation_id)
