"""A ticket is what all its facts say together, in whatever order they came; and how long it took."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticket_events.domain.cause import Cause
from ticket_events.domain.hours import minutes_between
from ticket_events.domain.ticket import TicketFact, TicketHappening, Traits, fold, measures

START = datetime(2026, 9, 1, 8, tzinfo=UTC)  # a Tuesday
CAUSE = Cause(correlation_id="c", origin="webhook")


def _fact(happening, minute, *, sequence=None, public=None, by_agent=None, **traits):
    return TicketFact(
        desk="helpdesk",
        ticket_id="t1",
        happening=TicketHappening(happening),
        occurred_at=START + timedelta(minutes=minute),
        traits=Traits(**traits),
        cause=CAUSE,
        sequence=sequence,
        public=public,
        by_agent=by_agent,
    )


LIFE = [
    _fact("created", 0, sequence=1, status="new", category="hardware"),
    _fact("comment_added", 5, sequence=2, public=True, by_agent=False),
    _fact("comment_added", 10, sequence=3, public=False, by_agent=True),
    _fact("comment_added", 30, sequence=4, public=True, by_agent=True),
    _fact("solved", 60, sequence=5, status="solved"),
    _fact("reopened", 90, sequence=6, status="open"),
    _fact("solved", 120, sequence=7, status="solved"),
]


def test_a_ticket_tells_its_life():
    ticket = fold(LIFE)

    assert (ticket.state.value, ticket.traits.status, ticket.traits.category) == (
        "solved",
        "solved",
        "hardware",
    )
    assert ticket.created_at == START
    assert ticket.first_reply_at == START + timedelta(minutes=30)
    assert ticket.first_solved_at == START + timedelta(minutes=60)
    assert ticket.last_solved_at == ticket.ended_at == START + timedelta(minutes=120)
    assert ticket.reopens == 1


def test_it_is_measured_from_its_creation():
    found = [
        (m.kind.value, m.instance, m.minutes.calendar) for m in measures(LIFE, time_zone="UTC")
    ]

    assert found == [
        ("first_reply", 0, 30),
        ("first_resolution", 0, 60),
        ("full_resolution", 0, 60),
        ("full_resolution", 1, 120),
    ]


def test_nothing_is_measured_before_the_creation_is_known():
    assert list(measures(LIFE[1:], time_zone="UTC")) == []


@settings(max_examples=100, deadline=None)
@given(st.permutations(LIFE), st.booleans())
def test_every_order_of_arrival_gives_the_same_ticket(order, numbered):
    told = order if numbered else [_without_number(fact) for fact in order]
    expected = LIFE if numbered else [_without_number(fact) for fact in LIFE]

    assert fold(told) == fold(expected)


def test_a_late_fact_does_not_undo_a_newer_one():
    late = _fact("status_changed", 45, sequence=4, status="pending")

    assert fold([*LIFE, late]).traits.status == "solved"


def _without_number(fact):
    return TicketFact(
        desk=fact.desk,
        ticket_id=fact.ticket_id,
        happening=fact.happening,
        occurred_at=fact.occurred_at,
        traits=fact.traits,
        cause=fact.cause,
        public=fact.public,
        by_agent=fact.by_agent,
    )


@pytest.mark.parametrize(
    ("start", "end", "zone", "calendar", "business"),
    [
        ("2026-09-01T08:00", "2026-09-01T09:30", "UTC", 90, 90),
        ("2026-09-01T15:00", "2026-09-02T09:00", "UTC", 1080, 120),
        ("2026-09-04T15:00", "2026-09-07T09:00", "UTC", 3960, 120),  # over a weekend
        ("2026-09-05T10:00", "2026-09-06T10:00", "UTC", 1440, 0),
        ("2026-09-01T12:00", "2026-09-01T14:00", "America/Chicago", 120, 60),  # opens at 13 UTC
        ("2026-09-01T09:00", "2026-09-01T08:00", "UTC", 0, 0),
        ("2026-03-06T21:00", "2026-03-09T14:00", "America/Chicago", 3900, 120),  # clock forward
    ],
)
def test_minutes_by_the_calendar_and_by_business_hours(start, end, zone, calendar, business):
    first, last = (datetime.fromisoformat(f"{text}+00:00") for text in (start, end))

    found = minutes_between(first, last, time_zone=zone)

    assert (found.calendar, found.business) == (calendar, business)
