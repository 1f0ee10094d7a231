"""CloudEvents 1.0 over HTTP: an event in its body, in headers beside its data, or several.

Source: CloudEvents 1.0.2, HTTP protocol binding and JSON event format. What we ask beyond it,
because only the body is signed: ADR 0017.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from roster_common.contracts.validation import read_object
from roster_common.errors import Invalid, NotVerified
from sis_ingest.domain.bodies import an_object, inside, read_json
from sis_ingest.signed.statement import MAX_VERSION, Statement

MAX_EVENTS: Final = 1_000
_PREFIX: Final = "ce-"
_STRUCTURED: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"
_ANY_FORMAT: Final = "application/cloudevents"
_REQUIRED: Final = ("specversion", "id", "source", "type")
_READ: Final = (*_REQUIRED, "time", "version", "sequence")
HEADERS: Final = frozenset({"content-type", *(_PREFIX + name for name in _READ)})
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')


def _as_rfc3339(value: object) -> object:
    """Numbers are no times here, though they could be read as seconds."""
    if isinstance(value, str) and _DAY.match(value):
        return value
    raise ValueError("not a time")


_Name = Annotated[str, StringConstraints(min_length=1)]
_Number = Annotated[int, Field(ge=0, le=MAX_VERSION)]


class _Attributes(BaseModel):
    """`version` is ours, `sequence` is CloudEvents' own extension; a record's newest one wins."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    specversion: Literal["1.0"]
    id: _Name
    source: _Name
    type: _Name
    time: Annotated[AwareDatetime, BeforeValidator(_as_rfc3339)]
    version: _Number | None = None
    sequence: _Number | None = None

    @property
    def newest(self) -> int | None:
        return self.sequence if self.version is None else self.version


def read_events(headers: Mapping[str, str], body: bytes) -> Sequence[Statement] | None:
    """What the events say, in their order; None if it is no CloudEvent.

    Raises `Invalid` naming the attribute as its sender wrote it: `time`, `ce-time`, `2.time`.
    """
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == _STRUCTURED:
        return [_structured(an_object(read_json(body)), at="")]
    if media_type == _BATCH:
        return _batch(read_json(body))
    if media_type.startswith(_ANY_FORMAT):
        raise Invalid("unknown_event_format", field="content-type")
    return [_binary(headers, body)] if _is_binary(headers) else None


def check_binding(headers: Mapping[str, str], delivery_id: str) -> None:
    """Attributes in headers are not signed: their id must be the signed one. `NotVerified`."""
    if _is_binary(headers) and _decoded(headers, "id") != delivery_id:
        raise NotVerified("not_the_signed_id", field=_PREFIX + "id")


def _is_binary(headers: Mapping[str, str]) -> bool:
    if headers.get("content-type", "").lower().startswith(_ANY_FORMAT):
        return False
    return any(_PREFIX + name in headers for name in _REQUIRED)


def _structured(event: Mapping[str, Any], *, at: str) -> Statement:
    try:
        attributes = read_object(_Attributes, event)
    except Invalid as error:
        raise Invalid(error.reason, field=inside(at, error.field)) from None
    data = inside(at, "data") or ""
    if "data" not in event:
        raise Invalid("missing", field=data)
    return Statement(
        kind=attributes.type,
        occurred_at=attributes.time,
        version=attributes.newest,
        data=an_object(event["data"], field=data),
        type_field=inside(at, "type") or "",
        time_field=inside(at, "time") or "",
        data_field=data,
    )


def _batch(events: Any) -> Sequence[Statement]:
    if not isinstance(events, list):
        raise Invalid("not_a_list")
    if len(events) > MAX_EVENTS:
        raise Invalid("too_many_events", field="body")
    return [
        _structured(an_object(event, field=str(place)), at=str(place))
        for place, event in enumerate(events)
    ]


def _binary(headers: Mapping[str, str], body: bytes) -> Statement:
    given = {name: _decoded(headers, name) for name in _READ if _PREFIX + name in headers}
    try:
        attributes = read_object(_Attributes, given)
    except Invalid as error:
        raise Invalid(error.reason, field=f"{_PREFIX}{error.field}") from None
    data = an_object(read_json(body))
    if attributes.type.endswith(".deleted") and data.get("status") != "tobedeleted":
        raise Invalid("deletion_not_signed", field="status")
    return Statement(
        kind=attributes.type,
        occurred_at=attributes.time,
        version=attributes.newest,
        data=data,
        type_field=_PREFIX + "type",
        time_field=_PREFIX + "time",
        data_field="",
    )


def _decoded(headers: Mapping[str, str], name: str) -> str:
    """An attribute out of its header: quotes taken off, then percent signs read, once."""
    value = headers.get(_PREFIX + name, "")
    quoted = _QUOTED.fullmatch(value)
    if quoted is not None:
        value = re.sub(r"\\(.)", r"\1", quoted[1])
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise Invalid("not_utf8", field=_PREFIX + name) from None
