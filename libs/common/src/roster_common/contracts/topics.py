"""Reads `topics.toml`: which topics exist, who owns them, and which topic each type stands on.

Knows names only, no event class, so the envelope can ask for a topic without importing the types.
Loaded once at import; a fault in the file is a fault of the build, so it is `Fatal`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Literal, TypeAlias, get_args

from roster_common.errors import Fatal

Cleanup: TypeAlias = Literal["delete", "compact"]
PiiClass: TypeAlias = Literal["none", "directory", "sensitive"]
Partitioning: TypeAlias = Literal["district"]

SERVICES: Final = ("sis-ingest", "roster-publisher", "directory-sync", "ticket-events")
DEAD_LETTER_TEMPLATE: Final = "deadletter.{service}"

_MS_PER_DAY: Final = 86_400_000
# As much as our producer sends at once (runtime/log/kafka.py).
_MAX_MESSAGE_BYTES: Final = 4_194_304
_DEFAULT_PARTITIONS: Final = 4
_PII_ORDER: Final = get_args(PiiClass)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """One topic: owner, who writes and reads it, how it is partitioned and how long it lives."""

    name: str
    owner: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    partitioning: Partitioning
    partitions: int
    cleanup: Cleanup
    retention_days: int | None
    piiclass: PiiClass
    description: str

    def kafka_config(self) -> dict[str, str]:
        """Broker settings of this topic, as Kafka spells them."""
        size = {"max.message.bytes": str(_MAX_MESSAGE_BYTES)}
        if self.retention_days is None:
            return {"cleanup.policy": "compact"} | size
        return size | {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_days * _MS_PER_DAY),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeSpec:
    """One event type: its topic (or the dead-letter template), version and sensitivity."""

    type: str
    topic: str
    version: int
    owner: str
    compatibility: Literal["backward"]
    piiclass: PiiClass


def parse(
    document: Mapping[str, Any],
) -> tuple[Mapping[str, TopicSpec], Mapping[str, TypeSpec]]:
    """Checks a parsed `topics.toml` and returns topics and types by name.

    Raises `Fatal` naming the table that is wrong: the file ships with the code, so nobody can
    mend it at run time.
    """
    topics = {name: _topic(name, table) for name, table in document.get("topics", {}).items()}
    types: dict[str, TypeSpec] = {}
    for name, listed in document.get("types", {}).items():
        if name != DEAD_LETTER_TEMPLATE and name not in topics:
            raise Fatal(f"topics.toml: types of an unknown topic: {name}")
        for entry in listed:
            spec = _type(name, entry, topics)
            if spec.type in types:
                raise Fatal(f"topics.toml: type stands twice: {spec.type}")
            types[spec.type] = spec
    return topics, types


def _topic(name: str, table: Mapping[str, Any]) -> TopicSpec:
    try:
        spec = TopicSpec(
            name=name,
            owner=table["owner"],
            producers=tuple(table["producers"]),
            consumers=tuple(table["consumers"]),
            partitioning=table.get("partitioning", "district"),
            partitions=table.get("partitions", _DEFAULT_PARTITIONS),
            cleanup=table["cleanup"],
            retention_days=table.get("retention_days"),
            piiclass=table["piiclass"],
            description=table["description"],
        )
    except KeyError as missing:
        raise Fatal(f"topics.toml: topic {name} lacks {missing.args[0]}") from missing
    _check_topic(spec)
    return spec


def _check_topic(spec: TopicSpec) -> None:
    strangers = {spec.owner, *spec.producers, *spec.consumers} - set(SERVICES)
    if strangers:
        raise Fatal(f"topics.toml: topic {spec.name} names unknown services: {sorted(strangers)}")
    if spec.owner not in spec.producers:
        raise Fatal(f"topics.toml: topic {spec.name} is not produced by its owner")
    if spec.partitioning not in get_args(Partitioning) or spec.partitions < 1:
        raise Fatal(f"topics.toml: topic {spec.name} has no valid partitioning")
    if spec.cleanup not in get_args(Cleanup) or spec.piiclass not in _PII_ORDER:
        raise Fatal(f"topics.toml: topic {spec.name} has an unknown cleanup or piiclass")
    if (spec.cleanup == "delete") != (spec.retention_days is not None):
        raise Fatal(f"topics.toml: topic {spec.name}: retention_days belongs to cleanup delete")


def _type(topic: str, entry: Mapping[str, Any], topics: Mapping[str, TopicSpec]) -> TypeSpec:
    name: str = entry["type"]
    version = name.rpartition(".v")[2]
    if not name.startswith("k12.") or not version.isdigit():
        raise Fatal(f"topics.toml: not a versioned type name: {name}")
    hosts = _hosts(topic, topics)
    highest = max((host.piiclass for host in hosts), key=_PII_ORDER.index)
    piiclass: PiiClass = entry.get("piiclass", highest)
    if piiclass not in _PII_ORDER or _PII_ORDER.index(piiclass) > _PII_ORDER.index(highest):
        raise Fatal(f"topics.toml: {name} is more sensitive than its topic says")
    return TypeSpec(
        type=name,
        topic=topic,
        version=int(version),
        owner=entry.get("owner", hosts[0].owner),
        compatibility=entry.get("compatibility", "backward"),
        piiclass=piiclass,
    )


def _hosts(topic: str, topics: Mapping[str, TopicSpec]) -> list[TopicSpec]:
    if topic != DEAD_LETTER_TEMPLATE:
        return [topics[topic]]
    try:
        return [topics[dead_letter_topic(service)] for service in SERVICES]
    except KeyError as missing:
        raise Fatal(f"topics.toml: no dead-letter topic {missing.args[0]}") from missing


def dead_letter_topic(service: str) -> str:
    """Name of the dead-letter topic of one service, for example `deadletter.sis-ingest`."""
    return DEAD_LETTER_TEMPLATE.format(service=service)


def _load() -> tuple[Mapping[str, TopicSpec], Mapping[str, TypeSpec]]:
    text = resources.files("roster_common.contracts").joinpath("topics.toml").read_text("utf-8")
    return parse(tomllib.loads(text))


TOPICS, TYPES = _load()
