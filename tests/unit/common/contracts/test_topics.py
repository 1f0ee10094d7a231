"""A manifest that contradicts itself stops the build."""

from copy import deepcopy
from typing import Any

import pytest

from roster_common.contracts import topics
from roster_common.errors import Fatal


def manifest() -> dict[str, Any]:
    """A small manifest that is right."""
    return {
        "topics": {
            "sis.changes": {
                "owner": "sis-ingest",
                "producers": ["sis-ingest"],
                "consumers": ["roster-publisher"],
                "cleanup": "delete",
                "retention_days": 7,
                "piiclass": "directory",
                "description": "changes",
            }
        },
        "types": {"sis.changes": [{"type": "k12.roster.org.upserted.v2", "piiclass": "none"}]},
    }


def test_what_the_manifest_leaves_out_has_a_default() -> None:
    found, types = topics.parse(manifest())

    assert found["sis.changes"].partitions == 4
    assert found["sis.changes"].partitioning == "district"
    assert types["k12.roster.org.upserted.v2"].version == 2
    assert types["k12.roster.org.upserted.v2"].owner == "sis-ingest"
    assert types["k12.roster.org.upserted.v2"].compatibility == "backward"


def test_seven_days_are_what_a_broker_calls_604800000_milliseconds() -> None:
    found, _ = topics.parse(manifest())

    assert found["sis.changes"].kafka_config() == {
        "cleanup.policy": "delete",
        "retention.ms": "604800000",
        "max.message.bytes": "4194304",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"owner": "mainframe", "producers": ["mainframe"]}, "unknown services"),
        ({"consumers": ["vendor"]}, "unknown services"),
        ({"producers": ["roster-publisher"]}, "not produced by its owner"),
        ({"partitions": 0}, "partitioning"),
        ({"partitioning": "person"}, "partitioning"),
        ({"cleanup": "keep"}, "cleanup"),
        ({"piiclass": "secret"}, "piiclass"),
        ({"cleanup": "compact"}, "retention_days"),
        ({"retention_days": None}, "retention_days"),
    ],
)
def test_a_contradiction_in_a_topic_is_fatal_and_named(
    change: dict[str, Any], message: str
) -> None:
    document = deepcopy(manifest())
    document["topics"]["sis.changes"].update(change)

    with pytest.raises(Fatal, match=message):
        topics.parse(document)


def test_a_topic_without_owner_is_fatal() -> None:
    document = manifest()
    del document["topics"]["sis.changes"]["owner"]

    with pytest.raises(Fatal, match="lacks owner"):
        topics.parse(document)


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ({"nowhere": [{"type": "k12.a.b.v1"}]}, "unknown topic"),
        ({"sis.changes": [{"type": "k12.a.b"}]}, "not a versioned type"),
        ({"sis.changes": [{"type": "roster.a.v1"}]}, "not a versioned type"),
        ({"sis.changes": [{"type": "k12.a.v1"}, {"type": "k12.a.v1"}]}, "stands twice"),
        ({"sis.changes": [{"type": "k12.a.v1", "piiclass": "sensitive"}]}, "more sensitive"),
        ({"deadletter.{service}": [{"type": "k12.a.v1"}]}, "no dead-letter topic"),
    ],
)
def test_a_type_that_does_not_fit_its_topic_is_fatal(types: dict[str, Any], message: str) -> None:
    with pytest.raises(Fatal, match=message):
        topics.parse(manifest() | {"types": types})
