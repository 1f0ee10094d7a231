"""From a statement to a change: collection, verb, validated and canonical record. Pure."""

from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from roster_common.contracts.oneroster import OBJECTS, to_record
from roster_common.contracts.validation import read_object
from roster_common.contracts.values import SourcedId
from roster_common.errors import Invalid
from sis_ingest.domain.bodies import inside
from sis_ingest.domain.deliveries import Incoming
from sis_ingest.domain.entities import COLLECTIONS
from sis_ingest.domain.records import canonical, content_hash, to_bytes
from sis_ingest.sources.generic.wire import Statement

_VERBS: Final = ("upserted", "deleted")


class _Deleted(BaseModel):
    """All that a deletion must carry."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    sourcedId: SourcedId  # noqa: N815 - the wire's own name, shown in errors


def to_incoming(said: Statement) -> Incoming:
    """What the statement says. Raises `Invalid` with the path from the body's root.

    A record whose status is `tobedeleted` is a deletion that brings its last content along.
    """
    collection, _, verb = said.type.partition(".")
    entity = COLLECTIONS.get(collection)
    if entity is None or verb not in _VERBS:
        raise Invalid("unknown_type", field=said.type_field)
    occurred_at = _in_utc(said.occurred_at, field=said.time_field)
    try:
        if verb == "deleted":
            gone = read_object(_Deleted, said.data)
            return Incoming(
                entity=entity,
                external_id=gone.sourcedId,
                record=None,
                content_hash=b"",
                deleted=True,
                version=said.version,
                occurred_at=occurred_at,
                time_field=said.time_field,
            )
        read = read_object(OBJECTS[entity], said.data)
    except Invalid as error:
        raise Invalid(error.reason, field=inside(said.data_field, error.field)) from None
    record = canonical(to_record(read))
    return Incoming(
        entity=entity,
        external_id=read.sourced_id,
        record=record,
        content_hash=content_hash(to_bytes(record)),
        deleted=read.status == "tobedeleted",
        version=said.version,
        occurred_at=occurred_at,
        time_field=said.time_field,
    )


def _in_utc(moment: datetime, *, field: str) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # the first and the last hours of the calendar, in a zone
        raise Invalid("out_of_range", field=field) from None
