"""One place to ask: which topics are there, which class reads a type, where does a type stand.

Joins the names of `topics.toml` with the classes of `types.py`. Built once at import.
"""

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Final

from roster_common.contracts import types
from roster_common.contracts.envelope import EventData
from roster_common.contracts.topics import (
    DEAD_LETTER_TEMPLATE,
    SERVICES,
    TOPICS,
    TYPES,
    TopicSpec,
    TypeSpec,
)
from roster_common.contracts.topics import dead_letter_topic as _dead_letter_topic
from roster_common.errors import Fatal


def _classes_of(module: ModuleType) -> dict[str, type[EventData]]:
    """Event classes a module defines itself: those that name their own type."""
    return {
        item.TYPE: item
        for item in vars(module).values()
        if isinstance(item, type)
        and issubclass(item, EventData)
        and item.__module__ == module.__name__
        and "TYPE" in vars(item)
    }


def _collect() -> Mapping[str, type[EventData]]:
    found: dict[str, type[EventData]] = {}
    for module in types.EVENT_MODULES:
        for name, item in _classes_of(module).items():
            if name in found:
                raise Fatal(f"two classes for one event type: {name}")
            found[name] = item
    return found


topics: Final[Mapping[str, TopicSpec]] = TOPICS
event_types: Final[Mapping[str, type[EventData]]] = _collect()


def topic(name: str) -> TopicSpec:
    """The topic of that name. Raises `Fatal`: code, not input, chooses topics."""
    try:
        return TOPICS[name]
    except KeyError:
        raise Fatal(f"no such topic: {name}") from None


def type_spec(event_type: str) -> TypeSpec:
    """What `topics.toml` says of a type. Raises `Fatal` for a type it does not list."""
    try:
        return TYPES[event_type]
    except KeyError:
        raise Fatal(f"no such event type: {event_type}") from None


def find_event_type(name: str) -> type[EventData] | None:
    """The class that reads a type, or None: for names that come from outside."""
    return event_types.get(name)


def event_type(name: str) -> type[EventData]:
    """The class that reads a type. Raises `Fatal`: for names that stand in code."""
    try:
        return event_types[name]
    except KeyError:
        raise Fatal(f"no such event type: {name}") from None


def prepare(names: Iterable[str]) -> None:
    """Builds the validators of these types now, about 1 ms each, instead of at their first event.

    For a service's start; may run twice. Raises `Fatal` for a type nobody registered.
    """
    for name in names:
        event_type(name).model_rebuild()


def topic_of(name: str, *, service: str | None = None) -> str:
    """Topic name of a type; a dead letter needs the service whose topic it goes to."""
    found = type_spec(name).topic
    if found != DEAD_LETTER_TEMPLATE:
        return found
    if service is None:
        raise Fatal("a dead letter has one topic per service: name the service")
    return dead_letter_topic(service)


def dead_letter_topic(service: str) -> str:
    """Dead-letter topic of a service. Raises `Fatal` for a service we do not have."""
    if service not in SERVICES:
        raise Fatal(f"no such service: {service}")
    return _dead_letter_topic(service)


def schema_urn(event_type_name: str) -> str:
    """Stable name of a type's JSON Schema: CloudEvents `dataschema` and the schema's `$id`."""
    return f"urn:homeroom:schema:{event_type_name}"
