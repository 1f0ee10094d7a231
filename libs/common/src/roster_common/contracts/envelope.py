"""The event and the base of its data, as the rest of the house holds them in memory.

CloudEvents 1.0 attributes under our names. Bytes and headers are the codec's; nothing here may
read a clock, make an id or touch the outside: callers bring both.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from roster_common.contracts.topics import DEAD_LETTER_TEMPLATE, TYPES, dead_letter_topic
from roster_common.errors import Invalid

Origin: TypeAlias = Literal["webhook", "snapshot", "firstload", "republish", "operator", "schedule"]


class UnknownEventType(Invalid):
    """No class of this house reads the type; `event_type` is set when it is a harmless name."""

    def __init__(self, event_type: str | None) -> None:
        super().__init__("unknown_event_type", field="type")
        self.event_type = event_type


class Wire(BaseModel):
    """Base of everything in an event body: frozen, tolerant of more, OneRoster's camelCase.

    Building is deferred to first use, because seventy classes must not slow a process's start,
    and no message may show what it refused, because students are minors.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        defer_build=True,
        hide_input_in_errors=True,
    )


class EventData(Wire):
    """Base of every event body. A concrete class sets `TYPE` and `TOPIC` itself."""

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]

    def entity_key(self) -> str:
        """Names the thing this is about, within its district: the log key without district."""
        raise NotImplementedError

    def subject(self) -> str:
        """CloudEvents subject; the entity key unless a class knows better."""
        return self.entity_key()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact on the log.

    `time` is aware; `data` None is a tombstone on a compacted topic and then needs
    `tombstone_key`, the entity key without district. Raises `Invalid` when made wrongly.
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    district_id: str
    correlation_id: str
    origin: Origin
    data: EventData | None
    causation_id: str | None = None
    traceparent: str | None = None
    tombstone_key: str | None = None

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise UnknownEventType(self.type)
        if not self.id or not self.correlation_id:
            raise Invalid("empty_attribute", field="correlation_id" if self.id else "id")
        if not self.district_id or "/" in self.district_id:
            raise Invalid("invalid_attribute", field="district_id")
        if not self.source.startswith(f"/districts/{self.district_id}/services/"):
            raise Invalid("source_is_not_of_district", field="source")
        if self.time.tzinfo is None:
            raise Invalid("naive_time", field="time")
        if (self.data is None) == (self.tombstone_key is None):
            raise Invalid("data_or_tombstone_key", field="data")
        if self.data is not None and self.type != self.data.TYPE:
            raise Invalid("type_is_not_of_data", field="type")

    @property
    def service(self) -> str:
        """The producing service, read from `source`."""
        return self.source.rpartition("/")[2]

    @property
    def topic(self) -> str:
        """Where the registry puts this type; a dead letter goes to its producer's own topic."""
        topic = TYPES[self.type].topic
        return dead_letter_topic(self.service) if topic == DEAD_LETTER_TEMPLATE else topic

    @property
    def key(self) -> str:
        """The log key: `{district}/{entity key}`."""
        entity_key = self.tombstone_key if self.data is None else self.data.entity_key()
        return f"{self.district_id}/{entity_key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An encoded event, ready for either transport. `value` None is a tombstone."""

    topic: str
    partition: int
    key: str
    headers: dict[str, str]
    value: bytes | None


_SOURCE: Final = "/districts/{district}/services/{service}"


def source_of(district_id: str, service: str) -> str:
    """CloudEvents source of what a service says about a district."""
    return _SOURCE.format(district=district_id, service=service)


def new_event(
    data: EventData,
    *,
    event_id: str,
    time: datetime,
    service: str,
    district_id: str,
    correlation_id: str,
    origin: Origin,
    causation_id: str | None = None,
    traceparent: str | None = None,
) -> Event:
    """An event around `data`; type and subject come from it. Raises `Invalid` as `Event` does."""
    return Event(
        id=event_id,
        type=data.TYPE,
        source=source_of(district_id, service),
        subject=data.subject(),
        time=time,
        district_id=district_id,
        correlation_id=correlation_id,
        causation_id=causation_id,
        traceparent=traceparent,
        origin=origin,
        data=data,
    )


def new_tombstone(
    data_type: type[EventData],
    entity_key: str,
    *,
    event_id: str,
    time: datetime,
    service: str,
    district_id: str,
    correlation_id: str,
    origin: Origin,
    causation_id: str | None = None,
    traceparent: str | None = None,
) -> Event:
    """The event that erases `entity_key` (as `data.entity_key()` gave it) from a state topic."""
    return Event(
        id=event_id,
        type=data_type.TYPE,
        source=source_of(district_id, service),
        subject=entity_key,
        time=time,
        district_id=district_id,
        correlation_id=correlation_id,
        causation_id=causation_id,
        traceparent=traceparent,
        origin=origin,
        data=None,
        tombstone_key=entity_key,
    )


def follow_on(
    cause: Event,
    data: EventData,
    *,
    event_id: str,
    time: datetime,
    service: str,
    traceparent: str | None = None,
) -> Event:
    """An event caused by another: same district, correlation and origin, `causation_id` set."""
    return new_event(
        data,
        event_id=event_id,
        time=time,
        service=service,
        district_id=cause.district_id,
        correlation_id=cause.correlation_id,
        causation_id=cause.id,
        origin=cause.origin,
        traceparent=traceparent if traceparent is not None else cause.traceparent,
    )
