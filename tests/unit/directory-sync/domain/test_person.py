"""Which role gives an account today, and when to look again."""

from datetime import date

import pytest

from directory_sync.domain.ids import PersonId
from directory_sync.domain.person import Person, Role, Seat, current_role, next_review, why

TODAY = date(2026, 9, 1)
WANTED = frozenset({"student", "teacher"})


@pytest.mark.parametrize(
    ("begin", "end", "counts"),
    [
        (None, None, True),
        (date(2026, 9, 1), None, True),
        (date(2026, 9, 2), None, False),
        (None, date(2026, 9, 1), False),
        (None, date(2026, 9, 2), True),
    ],
)
def test_a_role_counts_from_its_first_day_and_not_on_its_end_date(begin, end, counts):
    person = _person(_role(begin=begin, end=end))

    assert (current_role(person, roles=WANTED, today=TODAY) is not None) is counts


def test_a_primary_role_goes_before_a_secondary_one():
    person = _person(
        _role("aide", role_type="primary"),
        _role("student", role_type="secondary"),
        _role("teacher", role_type="primary"),
    )

    role = current_role(person, roles=WANTED, today=TODAY)

    assert role is not None
    assert role.role == "teacher"


@pytest.mark.parametrize(
    ("person", "code"),
    [
        (lambda: _person(_role()), "role:student"),
        (lambda: _person(_role("parent")), "no_current_role"),
        (lambda: _person(_role(), active=False), "not_on_roster"),
        (lambda: _person(_role(), enabled=False), "disabled_in_sis"),
    ],
)
def test_the_reason_is_a_stable_code(person, code):
    assert why(person(), roles=WANTED, today=TODAY) == code


def test_the_next_review_is_the_first_date_still_to_come():
    seat = Seat(
        class_id="c", role="student", school_id="s", begin=date(2026, 9, 10), end=date(2027, 1, 1)
    )
    person = _person(_role(begin=date(2026, 8, 1), end=date(2027, 6, 30)), seats=(seat,))

    assert next_review(person, today=TODAY) == date(2026, 9, 10)
    assert next_review(person, today=date(2027, 6, 30)) is None


def _role(role="student", *, role_type="primary", begin=None, end=None):
    return Role(role=role, role_type=role_type, org_id="hill", begin=begin, end=end)


def _person(*roles, active=True, enabled=True, seats=()):
    return Person(
        person_id=PersonId("p"),
        active=active,
        enabled=enabled,
        given_name="Ada",
        family_name="Lovelace",
        preferred_first_name=None,
        preferred_last_name=None,
        username=None,
        email=None,
        primary_org_id=None,
        roles=roles,
        seats=seats,
    )
