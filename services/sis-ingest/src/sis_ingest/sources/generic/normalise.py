"""From a statement to a change: collection, verb, validated and canonical record. Pure."""

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from roster_common.contracts.oneroster import OBJECTS, to_record
from roster_common.contracts.values import SourcedId
from roster_common.errors import Invalid
from sis_ingest.domain.deliveries import Incoming
from sis_ingest.domain.entities import COLLECTIONS
from sis_ingest.signed.statement import Statement

_VERBS: Final = ("upserted", "deleted")


class _Deleted(BaseModel):
    """All that a deletion must carry."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    sourcedId: SourcedId  # noqa: N815 - the wire's own name, shown in errors


def to_changes(said: Statement) -> Sequence[Incoming]:
    """The one change of the statement. Raises `Invalid` with the path from the body's root.

    A record whose status is `tobedeleted` is a deletion that brings its last content along.
    """
    collection, _, verb = said.kind.partition(".")
    entity = COLLECTIONS.get(collection)
    if entity is None or verb not in _VERBS:
        raise Invalid("unknown_type", field=said.type_field)
    if verb == "deleted":
        return [said.deletion(entity, said.read(_Deleted).sourcedId)]
    read = said.read(OBJECTS[entity])
    return [said.change(entity, to_record(read), deleted=read.status == "tobedeleted")]
