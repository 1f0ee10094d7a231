"""When a device is asked for, where it goes, and where a person belongs."""

from datetime import UTC, datetime

import pytest

from ticket_events.domain.device_request import Cause, Joined, needs_device, school_for
from ticket_events.domain.ids import DistrictId, PersonId
from ticket_events.domain.person import HeldRole, main_role
from ticket_events.domain.presence import Presence


@pytest.mark.parametrize(
    ("role", "origin", "needed"),
    [
        ("student", "webhook", True),
        ("student", "snapshot", True),
        ("student", "schedule", True),
        ("student", "firstload", False),
        ("student", "republish", False),
        ("teacher", "webhook", False),
    ],
)
def test_only_a_student_who_really_joins_needs_a_device(role, origin, needed):
    joined = Joined(
        district_id=DistrictId("north"),
        person_id=PersonId("p"),
        role=role,
        to_org_ids=("hill",),
        cause=Cause(correlation_id="c", causation_id="e", origin=origin),
    )

    assert needs_device(joined) is needed


@pytest.mark.parametrize(
    ("to_org_ids", "known", "school"),
    [
        (("hill", "dale"), "dale", "dale"),
        (("hill", "dale"), "moor", "hill"),
        (("hill",), None, "hill"),
        ((), "dale", "dale"),
        ((), None, None),
    ],
)
def test_the_device_goes_to_the_persons_school_if_they_joined_there(to_org_ids, known, school):
    assert school_for(to_org_ids, known_school_id=known) == school


def test_a_person_belongs_where_their_primary_role_at_a_school_is():
    roles = [
        HeldRole(role="aide", role_type="secondary", org_id="a", org_type="school"),
        HeldRole(role="student", role_type="primary", org_id="b", org_type="district"),
        HeldRole(role="student", role_type="primary", org_id="c", org_type="school"),
    ]

    main = main_role(roles)

    assert main is not None
    assert main.org_id == "c"


def test_a_person_without_roles_belongs_nowhere():
    assert main_role([]) is None


def test_who_comes_back_within_a_day_was_hardly_away():
    left = Presence(
        person_id=PersonId("ada"),
        leaving_id="e1",
        cause=Cause(correlation_id="c", origin="webhook"),
        since=datetime(2026, 9, 1, 8, tzinfo=UTC),
    )

    assert left.is_back_soon(datetime(2026, 9, 2, 8, tzinfo=UTC))
    assert not left.is_back_soon(datetime(2026, 9, 2, 8, 1, tzinfo=UTC))
