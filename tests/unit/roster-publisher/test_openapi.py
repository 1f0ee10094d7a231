"""Our OpenAPI document: all 41 operations, and nothing that the official file says otherwise."""

from typing import Any

import pytest

from roster_publisher.domain.fragments import FIELDS
from roster_publisher.entrypoints.oneroster.schemas import NAMES
from tests.support.official_oneroster import official_document, our_document

# Never sent, so left out of ours.
LEFT_OUT = {"password", "resources"}
# Answers that writes would have.
NOT_READING = {"422"}
# Ours beyond the specification.
ADDED = {"404", "410"}


def test_all_41_operations_are_there_once() -> None:
    operations = [one["get"] for one in our_document()["paths"].values()]

    assert len(operations) == 41
    assert len({one["operationId"] for one in operations}) == 41


@pytest.mark.parametrize("entity", NAMES)
def test_the_fields_that_can_be_chosen_are_those_of_the_object(entity: str) -> None:
    properties = our_document()["components"]["schemas"][f"{NAMES[entity]}DType"]["properties"]  # type: ignore[index]

    assert properties.keys() == FIELDS[entity] - LEFT_OUT


def test_every_object_is_closed_but_metadata_and_credentials() -> None:
    schemas = our_document()["components"]["schemas"]

    open_ones = {name for name, one in schemas.items() if one.get("additionalProperties")}
    assert open_ones == {"MetadataDType", "CredentialDType"}


def test_schemas_say_what_the_official_file_says() -> None:
    official = official_document()
    if official is None:
        return
    wanted = {
        name: _plain(schema)
        for name, schema in official["components"]["schemas"].items()
        if name != "ResourceGUIDRefDType"
    }

    assert _plain(our_document()["components"]["schemas"]) == wanted


def test_operations_are_those_of_the_official_file() -> None:
    official = official_document()
    if official is None:
        return

    assert _operations(our_document()) == _operations(official)


def _operations(document: dict[str, Any]) -> dict[str, Any]:
    return {
        path: {
            "operationId": (get := verbs["get"])["operationId"],
            "tags": get["tags"],
            "scopes": sorted(scope for one in get["security"] for scope in one["OAuth2CC"]),
            "parameters": [
                (one["in"], one["name"], one["schema"]["type"], one["required"], one["style"])
                for one in get["parameters"]
                if one["in"] != "header"
            ],
            "bodies": {
                code: one["content"]["application/json"]["schema"]
                for code, one in get["responses"].items()
                if code not in NOT_READING | ADDED
            },
        }
        for path, verbs in document["paths"].items()
    }


def _plain(value: Any, *, named: bool = False) -> Any:
    """Without descriptions and without the order of what has none; `named` are properties."""
    match value:
        case dict():
            return {
                key: sorted(inner) if key == "required" and not named else _inner(key, inner)
                for key, inner in value.items()
                if not (key == "description" and not named) and not (named and key in LEFT_OUT)
            }
        case list():
            return [_plain(one) for one in value]
        case _:
            return value


def _inner(key: str, value: Any) -> Any:
    return _plain(value, named=key == "properties")
