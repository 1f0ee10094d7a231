"""`topics.toml` and the classes say the same, and every topic has somebody to answer for it."""

import pytest

from roster_common.contracts import registry
from roster_common.contracts.topics import SERVICES, TYPES
from roster_common.errors import Fatal


def test_every_type_in_the_manifest_has_a_class_and_every_class_stands_in_it() -> None:
    assert set(registry.event_types) == set(TYPES)


@pytest.mark.parametrize("event_type", sorted(registry.event_types))
def test_class_and_manifest_name_the_same_topic(event_type: str) -> None:
    assert TYPES[event_type].topic == registry.event_type(event_type).TOPIC


def test_the_topics_are_those_the_services_were_agreed_on() -> None:
    owners = {name: spec.owner for name, spec in registry.topics.items()}

    assert owners == {
        "sis.changes": "sis-ingest",
        "sis.runs": "sis-ingest",
        "roster.state": "roster-publisher",
        "roster.lifecycle": "roster-publisher",
        "directory.accounts": "directory-sync",
        "tickets": "ticket-events",
        "assets": "ticket-events",
        "safety": "sis-ingest",
        "deadletter.sis-ingest": "sis-ingest",
        "deadletter.roster-publisher": "roster-publisher",
        "deadletter.directory-sync": "directory-sync",
        "deadletter.ticket-events": "ticket-events",
    }


def test_no_topic_flows_back_to_a_service_it_came_from() -> None:
    looping = {
        n for n, spec in registry.topics.items() if set(spec.producers) & set(spec.consumers)
    }

    assert looping == set()


def test_change_topics_live_seven_days_and_only_state_is_compacted() -> None:
    compacted = {name for name, spec in registry.topics.items() if spec.cleanup == "compact"}
    days = {
        spec.retention_days
        for name, spec in registry.topics.items()
        if name not in compacted and not name.startswith("deadletter.")
    }

    assert compacted == {"roster.state"}
    assert days == {7}


def test_what_carries_birth_dates_is_marked_sensitive() -> None:
    sensitive = {name for name, spec in TYPES.items() if spec.piiclass == "sensitive"}

    assert sensitive == {"k12.roster.demographics.upserted.v1"}


def test_each_service_has_its_own_dead_letter_topic() -> None:
    topics = [registry.dead_letter_topic(service) for service in SERVICES]

    assert [registry.topic(name).owner for name in topics] == list(SERVICES)


def test_a_dead_letter_stands_on_the_topic_of_the_service_named() -> None:
    topic = registry.topic_of("k12.deadletter.recorded.v1", service="directory-sync")

    assert topic == "deadletter.directory-sync"


def test_a_dead_letter_without_a_service_has_no_topic() -> None:
    with pytest.raises(Fatal, match="name the service"):
        registry.topic_of("k12.deadletter.recorded.v1")


def test_a_dead_letter_can_carry_no_body_and_no_message() -> None:
    fields = set(registry.event_type("k12.deadletter.recorded.v1").model_fields)

    assert fields == {
        "group",
        "topic",
        "partition",
        "offset",
        "sequence",
        "event_id",
        "event_type",
        "reason",
        "field",
        "attempts",
    }


@pytest.mark.parametrize("name", ["roster.stat", "", "deadletter.vendor"])
def test_a_topic_nobody_declared_is_a_fault_of_the_code(name: str) -> None:
    with pytest.raises(Fatal):
        registry.topic(name)
