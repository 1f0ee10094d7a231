"""What an event may be made of, and where it then stands."""

from datetime import UTC, datetime
from typing import Any

import pytest

from roster_common.contracts.deadletter_recorded_v1 import DeadLetterRecorded
from roster_common.contracts.envelope import (
    Event,
    UnknownEventType,
    follow_on,
    new_event,
    new_tombstone,
)
from roster_common.contracts.record_tobedeleted_v1 import UserToBeDeleted
from roster_common.contracts.roster_person_v1 import PersonState, person_key
from roster_common.errors import Invalid

NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


def gone(**changes: Any) -> Event:
    """An event that is right but for `changes`."""
    parts: dict[str, Any] = {
        "id": "e1",
        "type": "k12.roster.user.tobedeleted.v1",
        "source": "/districts/demo/services/sis-ingest",
        "subject": "user/p1",
        "time": NOON,
        "district_id": "demo",
        "correlation_id": "c1",
        "origin": "webhook",
        "data": UserToBeDeleted(sourced_id="p1", reason="source_deleted"),
    }
    return Event(**(parts | changes))


def test_topic_and_key_come_from_the_data_with_the_district_first() -> None:
    event = gone()

    assert event.topic == "sis.changes"
    assert event.key == "demo/user/p1"
    assert event.service == "sis-ingest"


def test_a_tombstone_keeps_the_key_of_the_state_it_erases() -> None:
    tombstone = new_tombstone(
        PersonState,
        person_key("p1"),
        event_id="e2",
        time=NOON,
        service="roster-publisher",
        district_id="demo",
        correlation_id="c1",
        origin="operator",
    )

    assert tombstone.topic == "roster.state"
    assert tombstone.key == "demo/person/p1"
    assert tombstone.data is None


def test_a_dead_letter_goes_to_the_topic_of_the_service_that_wrote_it() -> None:
    event = new_event(
        DeadLetterRecorded(
            group="ticket-events", topic="roster.state", partition=1, offset=7, reason="missing"
        ),
        event_id="e3",
        time=NOON,
        service="ticket-events",
        district_id="demo",
        correlation_id="c1",
        origin="webhook",
    )

    assert event.topic == "deadletter.ticket-events"
    assert event.key == "demo/ticket-events/roster.state/1/7"


def test_what_follows_from_an_event_keeps_its_thread() -> None:
    cause = gone(traceparent="00-aa-bb-01")

    effect = follow_on(
        cause,
        UserToBeDeleted(sourced_id="p2", reason="merged"),
        event_id="e9",
        time=NOON,
        service="roster-publisher",
    )

    assert effect.correlation_id == "c1"
    assert effect.causation_id == "e1"
    assert effect.origin == "webhook"
    assert effect.traceparent == "00-aa-bb-01"
    assert effect.source == "/districts/demo/services/roster-publisher"


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"id": ""}, "empty_attribute", "id"),
        ({"correlation_id": ""}, "empty_attribute", "correlation_id"),
        ({"district_id": ""}, "invalid_attribute", "district_id"),
        ({"district_id": "demo/other"}, "invalid_attribute", "district_id"),
        ({"district_id": "other"}, "source_is_not_of_district", "source"),
        ({"time": datetime(2026, 9, 1, 12, 0)}, "naive_time", "time"),
        ({"data": None}, "data_or_tombstone_key", "data"),
        ({"tombstone_key": "user/p1"}, "data_or_tombstone_key", "data"),
        ({"type": "k12.roster.org.tobedeleted.v1"}, "type_is_not_of_data", "type"),
    ],
)
def test_an_event_made_wrongly_is_refused_with_the_attribute(
    changes: dict[str, Any], reason: str, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        gone(**changes)

    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_an_event_of_a_type_nobody_registered_cannot_be_made() -> None:
    with pytest.raises(UnknownEventType):
        gone(type="k12.roster.pupil.v1")
