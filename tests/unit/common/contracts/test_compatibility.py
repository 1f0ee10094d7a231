"""Each kind of breaking change is named, and harmless changes pass."""

from typing import Any

import pytest

from roster_common.contracts.compatibility import breaking_changes

OLD: dict[str, Any] = {
    "$defs": {
        "Role": {
            "type": "object",
            "properties": {
                "role": {"type": "string", "enum": ["student", "teacher"]},
                "org": {"type": "string"},
            },
            "required": ["role"],
        },
    },
    "type": "object",
    "properties": {
        "id": {"type": "string", "maxLength": 255},
        "email": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "count": {"type": "integer", "minimum": 0},
        "kind": {
            "anyOf": [
                {"type": "string", "enum": ["school", "district"]},
                {"type": "string", "pattern": "^ext:"},
            ]
        },
        "roles": {"type": "array", "items": {"$ref": "#/$defs/Role"}, "default": []},
        "fixed": {"const": "org", "type": "string"},
        "counts": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "propertyNames": {"enum": ["org", "user"]},
        },
    },
    "required": ["id", "count"],
}


def with_property(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {**OLD, "properties": {**OLD["properties"], name: schema}}


def with_role(**changes: Any) -> dict[str, Any]:
    return {**OLD, "$defs": {"Role": {**OLD["$defs"]["Role"], **changes}}}


def without_property(name: str) -> dict[str, Any]:
    return {**OLD, "properties": {k: v for k, v in OLD["properties"].items() if k != name}}


@pytest.mark.parametrize(
    ("new", "found"),
    [
        (without_property("email"), ["$.email: property removed"]),
        ({**OLD, "required": ["id", "count", "kind"]}, ["$.kind: newly required"]),
        (
            {**OLD, "required": ["id"]},
            ["$.count: no longer required, old readers need it"],
        ),
        (
            with_property("id", {"type": "integer", "maxLength": 255}),
            [
                "$.id: type narrowed, no longer string",
                "$.id: type widened, now also integer",
            ],
        ),
        (
            with_property("email", {"type": "string"}),
            ["$.email: type narrowed, no longer null"],
        ),
        (
            with_property("count", {"type": ["integer", "string"], "minimum": 0}),
            ["$.count: type widened, now also string"],
        ),
        (
            with_property("count", {"type": "integer", "minimum": 1}),
            ["$.count: minimum narrowed"],
        ),
        (
            with_property("id", {"type": "string", "maxLength": 40}),
            ["$.id: maxLength narrowed"],
        ),
        (
            with_property("id", {"type": "string", "maxLength": 255, "pattern": "^[a-z]+$"}),
            ["$.id: pattern narrowed"],
        ),
        (
            with_property("id", {"type": "string", "maxLength": 255, "format": "uuid"}),
            ["$.id: format narrowed"],
        ),
        (
            with_property(
                "kind",
                {
                    "anyOf": [
                        {"type": "string", "enum": ["school"]},
                        {"type": "string", "pattern": "^ext:"},
                    ]
                },
            ),
            ["$.kind: enum value removed, district"],
        ),
        (
            with_property("fixed", {"const": "school", "type": "string"}),
            ["$.fixed: enum value removed, org"],
        ),
        (
            with_property("email", {"anyOf": [{"enum": ["a@b"]}, {"type": "null"}]}),
            ["$.email: type narrowed to an enum"],
        ),
        ({**OLD, "additionalProperties": False}, ["$: object closed"]),
        (with_role(additionalProperties=False), ["$.roles[]: object closed"]),
        (with_role(required=["role", "org"]), ["$.roles[].org: newly required"]),
        (
            with_role(properties={"role": OLD["$defs"]["Role"]["properties"]["role"]}),
            ["$.roles[].org: property removed"],
        ),
        (
            with_property(
                "counts",
                {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "propertyNames": {"enum": ["org"]},
                },
            ),
            [
                "$.counts.*: type narrowed, no longer integer",
                "$.counts.*: type widened, now also string",
                "$.counts[key]: enum value removed, user",
            ],
        ),
    ],
)
def test_a_breaking_change_is_named_with_its_place(new: dict[str, Any], found: list[str]) -> None:
    assert breaking_changes(OLD, new) == found


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        with_property("added", {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}),
        with_property("id", {"type": "string", "maxLength": 300, "description": "An id"}),
        with_property("count", {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]}),
        with_role(
            properties={
                "role": {"type": "string", "enum": ["student", "teacher", "aide"]},
                "org": {"type": "string"},
            }
        ),
    ],
)
def test_what_only_adds_is_no_break(new: dict[str, Any]) -> None:
    assert breaking_changes(OLD, new) == []


def test_moving_a_definition_to_another_name_is_no_break() -> None:
    renamed = {
        **with_property("roles", {"type": "array", "items": {"$ref": "#/$defs/RoleAtOrg"}}),
        "$defs": {"RoleAtOrg": OLD["$defs"]["Role"]},
    }

    assert breaking_changes(OLD, renamed) == []
