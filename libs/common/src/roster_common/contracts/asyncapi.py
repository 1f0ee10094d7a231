"""One AsyncAPI 3.0 document of all topics, types, producers and consumers. Pure.

Self-contained: shared definitions are lifted into `components/schemas`, because a reference
inside an inlined schema would otherwise point into the whole document.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from roster_common.contracts import registry
from roster_common.contracts.codec import CONTENT_TYPE
from roster_common.contracts.schemas import all_schemas
from roster_common.contracts.topics import DEAD_LETTER_TEMPLATE, SERVICES, TopicSpec
from roster_common.errors import Fatal

Action: TypeAlias = Literal["send", "receive"]

_HEADERS: Final = {
    "type": "object",
    "required": [
        "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time",
        "ce_dataschema", "ce_partitionkey", "ce_tenantid", "ce_correlationid", "ce_origin",
        "ce_piiclass", "content-type",
    ],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string", "description": "UUIDv7; with ce_source unique"},
        "ce_source": {"type": "string", "description": "/districts/{d}/services/{service}"},
        "ce_type": {"type": "string"},
        "ce_subject": {"type": "string"},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_dataschema": {"type": "string", "description": "$id of the body's JSON Schema"},
        "ce_partitionkey": {"type": "string", "description": "District; chooses the partition"},
        "ce_tenantid": {"type": "string", "description": "District"},
        "ce_correlationid": {"type": "string", "description": "Delivery that began it all"},
        "ce_causationid": {"type": "string", "description": "Event that caused this one"},
        "ce_traceparent": {"type": "string", "description": "W3C trace context"},
        "ce_origin": {
            "enum": ["webhook", "snapshot", "firstload", "republish", "operator", "schedule"]
        },
        "ce_piiclass": {"enum": ["none", "directory", "sensitive"]},
        "content-type": {"const": CONTENT_TYPE},
    },
}  # fmt: skip


def asyncapi(*, version: str) -> dict[str, Any]:
    """The document; `version` is the release it belongs to."""
    schemas, messages = _components()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Homeroom events",
            "version": version,
            "description": "CloudEvents 1.0 in Kafka binary mode; record key {district}/{entity}.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {name: _channel(spec) for name, spec in registry.topics.items()},
        "operations": _operations(),
        "components": {
            "messages": messages,
            "schemas": {"EventHeaders": _HEADERS, **schemas},
        },
    }


def types_on(topic: str) -> list[str]:
    """Types that may stand on a topic, sorted."""
    is_dead_letter = topic in {registry.dead_letter_topic(service) for service in SERVICES}
    wanted = DEAD_LETTER_TEMPLATE if is_dead_letter else topic
    return sorted(name for name in registry.event_types if registry.type_spec(name).topic == wanted)


def _channel(spec: TopicSpec) -> dict[str, Any]:
    kafka = {"topic": spec.name, "partitions": spec.partitions, "bindingVersion": "0.5.0"}
    policy: dict[str, Any] = {"cleanup.policy": [spec.cleanup]}
    config = spec.kafka_config()
    if "retention.ms" in config:
        policy["retention.ms"] = int(config["retention.ms"])
    return {
        "address": spec.name,
        "description": spec.description,
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"} for name in types_on(spec.name)
        },
        "bindings": {"kafka": {**kafka, "topicConfiguration": policy}},
        "x-owner": spec.owner,
        "x-partitioning": spec.partitioning,
        "x-piiclass": spec.piiclass,
    }


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for name, spec in registry.topics.items():
        pairs: list[tuple[Action, str]] = [("send", service) for service in spec.producers]
        pairs += [("receive", service) for service in spec.consumers]
        for action, service in pairs:
            operations[f"{service}.{action}.{name}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "x-service": service,
            }
    return operations


def _components() -> tuple[dict[str, Any], dict[str, Any]]:
    schemas: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for name, document in all_schemas().items():
        body = {field: part for field, part in document.items() if field not in ("$defs", "$id")}
        for shared, definition in document.get("$defs", {}).items():
            _put(schemas, shared, _lifted(definition))
        _put(schemas, name, _lifted(body))
        messages[name] = {
            "name": name,
            "contentType": CONTENT_TYPE,
            "headers": {"$ref": "#/components/schemas/EventHeaders"},
            "payload": {"$ref": f"#/components/schemas/{name}"},
            "x-piiclass": registry.type_spec(name).piiclass,
        }
    return schemas, messages


def _put(schemas: dict[str, Any], name: str, definition: Any) -> None:
    if schemas.setdefault(name, definition) != definition:
        raise Fatal(f"two definitions share one name: {name}")


def _lifted(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {
            name: _retarget(part) if name == "$ref" else _lifted(part)
            for name, part in node.items()
        }
    if isinstance(node, list):
        return [_lifted(part) for part in node]
    return node


def _retarget(reference: str) -> str:
    return reference.replace("#/$defs/", "#/components/schemas/")
