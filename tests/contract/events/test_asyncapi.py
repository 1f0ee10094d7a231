"""The AsyncAPI document: complete, self-contained, and true to the manifest."""

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator

from roster_common.contracts import registry
from roster_common.contracts.asyncapi import asyncapi, types_on

DOCUMENT = asyncapi(version="1")


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, part in node.items():
            if name == "$ref":
                yield part
            else:
                yield from references(part)
    elif isinstance(node, list):
        for part in node:
            yield from references(part)


def resolve(reference: str) -> Any:
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_every_reference_leads_to_something_in_the_document() -> None:
    found = list(references(DOCUMENT))

    assert len(found) > 250
    assert all(reference.startswith("#/") for reference in found)
    assert all(resolve(reference) for reference in found)


def test_every_type_is_a_message_and_stands_on_a_channel() -> None:
    on_channels = {name for topic in registry.topics for name in types_on(topic)}

    assert set(DOCUMENT["components"]["messages"]) == set(registry.event_types)
    assert on_channels == set(registry.event_types)


def test_the_state_channel_says_who_writes_and_who_reads_it() -> None:
    operations = {
        name: part["action"]
        for name, part in DOCUMENT["operations"].items()
        if part["channel"]["$ref"] == "#/channels/roster.state"
    }

    assert operations == {
        "roster-publisher.send.roster.state": "send",
        "directory-sync.receive.roster.state": "receive",
        "ticket-events.receive.roster.state": "receive",
    }
    assert DOCUMENT["channels"]["roster.state"]["bindings"]["kafka"] == {
        "topic": "roster.state",
        "partitions": 4,
        "bindingVersion": "0.5.0",
        "topicConfiguration": {"cleanup.policy": ["compact"]},
    }


def test_a_payload_schema_of_the_document_reads_the_example() -> None:
    text = resources.files("roster_common.contracts").joinpath(
        "examples", "k12.roster.user.upserted.v1", "1.json"
    )
    example = json.loads(text.read_text("utf-8"))
    schema = {
        "$ref": "#/components/schemas/k12.roster.user.upserted.v1",
        "components": DOCUMENT["components"],
    }

    Draft202012Validator(schema).validate(example["data"])
