"""Event to bytes and back: CloudEvents 1.0, Kafka binary mode, and the structured JSON form.

The only module that knows header names. The record key names the entity, so that a state topic
compacts per entity, while the partition comes from the district, so that one district is one
order; that is why a transport must use `Outgoing.partition` and never hash the key itself.
"""

import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast, get_args

from roster_common.contracts import registry
from roster_common.contracts.envelope import (
    Event,
    EventData,
    Origin,
    Outgoing,
    UnknownEventType,
)
from roster_common.contracts.validation import read_json, read_object
from roster_common.errors import Invalid

CONTENT_TYPE: Final = "application/json"
SPEC_VERSION: Final = "1.0"

_ORIGINS: Final = frozenset(get_args(Origin))
_HARMLESS_TYPE: Final = re.compile(r"[a-zA-Z0-9_.]{1,128}")


def encode(event: Event) -> Outgoing:
    """The event as record key, partition, headers and value. Pure; equal input, equal bytes."""
    spec = registry.topic(event.topic)
    headers = {f"ce_{name}": text for name, text in _attributes(event).items()}
    headers["content-type"] = CONTENT_TYPE
    value = None
    if event.data is not None:
        value = event.data.model_dump_json(by_alias=True, exclude_none=True).encode()
    return Outgoing(
        topic=spec.name,
        partition=partition_of(event.district_id, spec.partitions),
        key=event.key,
        headers=headers,
        value=value,
    )


def decode(headers: Mapping[str, str], key: str, value: bytes | None) -> Event:
    """Reads a record of either transport; headers it does not know and new fields are ignored.

    Raises `UnknownEventType`, or `Invalid` with the attribute or field path and an error type.
    Neither carries anything of the body.
    """
    attributes = {name[3:]: text for name, text in headers.items() if name.startswith("ce_")}
    data_type = _data_type(attributes)
    event = _event(
        attributes,
        data=None if value is None else read_json(data_type, value),
        tombstone_key=None if value is not None else key.partition("/")[2],
    )
    if event.key != key:
        raise Invalid("key_is_not_of_event", field="key")
    return event


def to_structured(event: Event) -> dict[str, Any]:
    """CloudEvents JSON of the event, for display and examples; a tombstone has no `data`."""
    document: dict[str, Any] = dict(_attributes(event))
    document["datacontenttype"] = CONTENT_TYPE
    if event.data is None:
        document["tombstonekey"] = event.tombstone_key
    else:
        document["data"] = event.data.model_dump(mode="json", by_alias=True, exclude_none=True)
    return document


def from_structured(document: Mapping[str, Any]) -> Event:
    """Reads what `to_structured` wrote. Raises as `decode`; body paths begin with `data`."""
    attributes = {name: text for name, text in document.items() if isinstance(text, str)}
    data_type = _data_type(attributes)
    body = document.get("data")
    if body is not None and not isinstance(body, Mapping):
        raise Invalid("object_expected", field="data")
    try:
        data = None if body is None else read_object(data_type, body)
    except Invalid as fault:
        path = "data" if fault.field is None else f"data.{fault.field}"
        raise Invalid(fault.reason, field=path) from None
    return _event(
        attributes,
        data=data,
        tombstone_key=attributes.get("tombstonekey") if data is None else None,
    )


def partition_of(partition_key: str, partitions: int) -> int:
    """The partition of a key, 0-based; the same on both transports and in every release.

    CRC-32 because it is fixed by a standard; Python's own hash differs per process.
    """
    return zlib.crc32(partition_key.encode()) % partitions


def _attributes(event: Event) -> dict[str, str]:
    spec = registry.type_spec(event.type)
    optional = {
        "causationid": event.causation_id,
        "traceparent": event.traceparent,
    }
    return {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "dataschema": registry.schema_urn(event.type),
        "partitionkey": event.district_id,
        "tenantid": event.district_id,
        "correlationid": event.correlation_id,
        "origin": event.origin,
        "piiclass": spec.piiclass,
        **{name: text for name, text in optional.items() if text is not None},
    }


def _data_type(attributes: Mapping[str, str]) -> type[EventData]:
    name = _required(attributes, "type")
    found = registry.find_event_type(name)
    if found is None:
        raise UnknownEventType(name if _HARMLESS_TYPE.fullmatch(name) else None)
    return found


def _event(
    attributes: Mapping[str, str], *, data: EventData | None, tombstone_key: str | None
) -> Event:
    if _required(attributes, "specversion") != SPEC_VERSION:
        raise Invalid("unsupported_specversion", field="specversion")
    origin = _required(attributes, "origin")
    if origin not in _ORIGINS:
        raise Invalid("invalid_attribute", field="origin")
    return Event(
        id=_required(attributes, "id"),
        type=_required(attributes, "type"),
        source=_required(attributes, "source"),
        subject=_required(attributes, "subject"),
        time=_time(_required(attributes, "time")),
        district_id=_required(attributes, "tenantid"),
        correlation_id=_required(attributes, "correlationid"),
        causation_id=attributes.get("causationid"),
        traceparent=attributes.get("traceparent"),
        origin=cast("Origin", origin),
        data=data,
        tombstone_key=tombstone_key,
    )


def _required(attributes: Mapping[str, str], name: str) -> str:
    text = attributes.get(name)
    if not text:
        raise Invalid("missing_attribute", field=name)
    return text


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("invalid_attribute", field="time") from None
    return time
