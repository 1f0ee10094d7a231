"""JSON Schema of each event body, generated from its class. Pure: makes documents, writes none."""

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from roster_common.contracts import registry
from roster_common.contracts.envelope import EventData


class _PlainNames(GenerateJsonSchema):
    """Leaves out the titles pydantic makes of field names: they only repeat the name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the base asks so
        return False


def schema_of(data_type: type[EventData]) -> dict[str, Any]:
    """The schema a reader may rely on: by wire names, open to fields added later.

    In pydantic's validation mode, because a field with a default may be absent on the log.
    """
    body = data_type.model_json_schema(by_alias=True, schema_generator=_PlainNames)
    body.pop("title", None)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": registry.schema_urn(data_type.TYPE),
        "title": data_type.TYPE,
        **body,
    }


def all_schemas() -> Mapping[str, dict[str, Any]]:
    """The schema of every registered type, by type, in the order of the names."""
    return {name: schema_of(registry.event_types[name]) for name in sorted(registry.event_types)}
