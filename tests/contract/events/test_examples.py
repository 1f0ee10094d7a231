"""Each event type has an example, and schema, class and codec all read it alike."""

import json
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from roster_common.contracts import registry
from roster_common.contracts.codec import decode, encode, from_structured, to_structured

ROOM = resources.files("roster_common.contracts")
TYPES = sorted(registry.event_types)


def example(event_type: str) -> dict[str, Any]:
    text = ROOM.joinpath("examples", event_type, "1.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def schema(event_type: str) -> dict[str, Any]:
    text = ROOM.joinpath("schemas", f"{event_type}.schema.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@pytest.mark.parametrize("event_type", TYPES)
def test_the_example_of_each_type_satisfies_its_committed_schema(event_type: str) -> None:
    validator = Draft202012Validator(schema(event_type))

    validator.validate(example(event_type)["data"])


@pytest.mark.parametrize("event_type", TYPES)
def test_the_example_of_each_type_is_read_and_written_back_unchanged(event_type: str) -> None:
    document = example(event_type)

    assert to_structured(from_structured(document)) == document


@pytest.mark.parametrize("event_type", TYPES)
def test_the_example_of_each_type_survives_the_binary_form(event_type: str) -> None:
    event = from_structured(example(event_type))

    outgoing = encode(event)

    assert decode(outgoing.headers, outgoing.key, outgoing.value) == event


@pytest.mark.parametrize("event_type", TYPES)
def test_the_schema_of_each_type_is_itself_valid_and_open_to_new_fields(event_type: str) -> None:
    document = schema(event_type)

    Draft202012Validator.check_schema(document)
    assert '"additionalProperties": false' not in json.dumps(document)


def test_there_is_no_example_of_a_type_that_does_not_exist() -> None:
    folders = {entry.name for entry in ROOM.joinpath("examples").iterdir()}

    assert folders == set(TYPES)


def test_an_example_with_a_field_added_later_is_still_read() -> None:
    document = example("k12.roster.person.v1")
    document["data"]["favouriteColour"] = "green"
    document["data"]["roles"][0]["sinceAlways"] = True

    event = from_structured(document)

    assert event == from_structured(example("k12.roster.person.v1"))
