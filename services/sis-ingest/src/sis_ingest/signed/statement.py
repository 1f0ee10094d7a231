"""What a signed webhook says before its object is read, and the plain envelope around it. Pure.

Tolerant: unknown fields are dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from roster_common.contracts.validation import read_object
from roster_common.errors import Invalid
from sis_ingest.domain.bodies import an_object, inside, read_json
from sis_ingest.domain.deliveries import Incoming
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.records import Record, canonical, content_hash, to_bytes

MAX_VERSION: Final = 2**63 - 1

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One message: what happened, when, to what object.

    The three fields are where its sender wrote each part, for those who are told of faults;
    `data_field` is empty where the object is the whole body.
    """

    kind: str
    occurred_at: datetime
    version: int | None
    data: Mapping[str, Any]
    type_field: str = "type"
    time_field: str = "occurredAt"
    data_field: str = "data"

    def read(self, model: type[M]) -> M:
        """The object. Raises `Invalid` with the path from the body's root."""
        try:
            return read_object(model, self.data)
        except Invalid as error:
            raise Invalid(error.reason, field=inside(self.data_field, error.field)) from None

    def change(self, entity: Entity, record: Record, *, deleted: bool = False) -> Incoming:
        """That this is how the record stands, or stood at its end. Raises `Invalid`: the time."""
        content = canonical(record)
        return Incoming(
            entity=entity,
            external_id=content["sourcedId"],
            record=content,
            content_hash=content_hash(to_bytes(content)),
            deleted=deleted,
            version=self.version,
            occurred_at=self._in_utc(),
            time_field=self.time_field,
        )

    def deletion(self, entity: Entity, external_id: str) -> Incoming:
        """That the record is gone. Raises `Invalid`: the time."""
        return Incoming(
            entity=entity,
            external_id=external_id,
            record=None,
            content_hash=b"",
            deleted=True,
            version=self.version,
            occurred_at=self._in_utc(),
            time_field=self.time_field,
        )

    def _in_utc(self) -> datetime:
        try:
            return self.occurred_at.astimezone(UTC)
        except OverflowError:  # the first and the last hours of the calendar, in a zone
            raise Invalid("out_of_range", field=self.time_field) from None


class _Envelope(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    type: str
    occurredAt: AwareDatetime  # noqa: N815 - the wire's own name, shown in errors
    version: Annotated[int, Field(ge=0, le=MAX_VERSION, strict=True)] | None = None
    data: dict[str, Any]


def read_envelope(body: bytes) -> Statement:
    """What the envelope says. Raises `Invalid`: see `read_json`, or a field's fault."""
    envelope = read_object(_Envelope, an_object(read_json(body)))
    return Statement(
        kind=envelope.type,
        occurred_at=envelope.occurredAt,
        version=envelope.version,
        data=envelope.data,
    )
