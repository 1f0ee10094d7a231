"""The generic webhook's body as it comes in: an envelope around a OneRoster 1.2 object.

Tolerant: unknown fields are dropped, `href` and text booleans are taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from roster_common.contracts.validation import read_object
from sis_ingest.domain.bodies import an_object, read_json

MAX_VERSION: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one message says before its object is read.

    The three fields are where its sender wrote each part, for those who are told of faults;
    `data_field` is empty where the object is the whole body.
    """

    type: str
    occurred_at: datetime
    version: int | None
    data: Mapping[str, Any]
    type_field: str = "type"
    time_field: str = "occurredAt"
    data_field: str = "data"


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
        type=envelope.type,
        occurred_at=envelope.occurredAt,
        version=envelope.version,
        data=envelope.data,
    )
