"""The events that are measured: the registry's own example of the commonest type, renumbered.

About 1.1 kB each with key and headers. Made before the clock starts.
"""

import dataclasses
import json
from collections.abc import Sequence
from importlib import resources

from roster_common.contracts import registry
from roster_common.contracts.codec import encode, from_structured, partition_of
from roster_common.contracts.envelope import Event, Outgoing, source_of
from roster_common.contracts.record_upserted_v1 import UserUpserted
from roster_common.runtime.clock import Uuid7Ids

TYPE = "k12.roster.user.upserted.v1"
TOPIC = "sis.changes"
WRITER = "sis-ingest"
READER = "roster-publisher"
IDS = Uuid7Ids()


def districts() -> list[str]:
    """One district for each partition of the topic, in the partitions' order."""
    partitions = registry.topic(TOPIC).partitions
    found: dict[int, str] = {}
    number = 0
    while len(found) < partitions:
        number += 1
        name = f"district-{number}"
        found.setdefault(partition_of(name, partitions), name)
    return [found[partition] for partition in range(partitions)]


def made_up(count: int, *, of: Sequence[str]) -> list[Event]:
    """`count` events, of the districts `of` in turn, each with an id and a person of its own."""
    text = resources.files("roster_common.contracts").joinpath("examples", TYPE, "1.json")
    example = from_structured(json.loads(text.read_text("utf-8")))
    return [
        _renumbered(example, number=number, district=of[number % len(of)])
        for number in range(count)
    ]


def _renumbered(example: Event, *, number: int, district: str) -> Event:
    assert isinstance(example.data, UserUpserted)
    record = example.data.record.model_copy(update={"sourced_id": f"person-{number}"})
    data = example.data.model_copy(update={"record": record})
    return dataclasses.replace(
        example,
        id=IDS.new_id(),
        district_id=district,
        source=source_of(district, WRITER),
        subject=data.subject(),
        data=data,
    )


def bytes_of(outgoing: Outgoing) -> int:
    """Key, headers and value, as they stand on the log."""
    headers = sum(len(name) + len(value) for name, value in outgoing.headers.items())
    return len(outgoing.key) + headers + len(outgoing.value or b"")


def encoded(events: Sequence[Event]) -> list[Outgoing]:
    """The bytes that the raw figures move."""
    return [encode(event) for event in events]
