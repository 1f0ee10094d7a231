"""Which groups there are, and who belongs to each on a given day."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_sync.domain.group import (
    GroupKind,
    GroupName,
    belonging,
    class_group,
    kinds_wanted,
    name_of,
    next_class_review,
    places_of,
    shown_class,
    touched,
)
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.person import Person, Role, RosterClass, Seat
from directory_sync.domain.policy import Policy

TODAY = date(2026, 9, 15)
BEFORE, AFTER = date(2026, 9, 1), date(2026, 10, 1)
ALGEBRA = class_group("c1")
STUDENTS = GroupName(kind=GroupKind.STUDENTS, subject_id="hill")
STAFF = GroupName(kind=GroupKind.STAFF, subject_id="hill")


@given(st.sampled_from(GroupKind), st.text(min_size=1, max_size=12))
def test_a_key_names_its_group_and_no_other(kind, subject_id):
    name = GroupName(kind=kind, subject_id=subject_id)

    assert name_of(name.key) == name


@pytest.mark.parametrize(
    "key", ["", "k12:class:", "k12:school:hill", "k12:school::staff", "hill:students", "k12:org:1"]
)
def test_a_key_of_others_names_none_of_our_groups(key):
    assert name_of(key) is None


def test_keys_are_made_of_ids():
    assert (ALGEBRA.key, STUDENTS.key, STAFF.key) == (
        "k12:class:c1",
        "k12:school:hill:students",
        "k12:school:hill:staff",
    )


@pytest.mark.parametrize(
    ("person", "groups"),
    [
        (lambda: _person(roles=(_role(),), seats=(_seat(),)), {STUDENTS, ALGEBRA}),
        (lambda: _person(roles=(_role("teacher"),), seats=(_seat("teacher"),)), {STAFF, ALGEBRA}),
        (lambda: _person(roles=(_role("guardian"),), seats=(_seat("aide"),)), set()),
        (lambda: _person(roles=(_role(org_type="district"),)), set()),
        (lambda: _person(roles=(_role(),), active=False), set()),
        (lambda: _person(roles=(_role(),), enabled=False), set()),
        (lambda: None, set()),
    ],
)
def test_roles_at_schools_and_seats_in_classes_give_places(person, groups):
    assert {place.name for place in places_of(person())} == groups


def test_a_class_move_touches_the_old_class_and_the_new_one_alone():
    before = places_of(_person(roles=(_role(),), seats=(_seat(class_id="c1"),)))
    after = places_of(_person(roles=(_role(),), seats=(_seat(class_id="c2"),)))

    assert touched(before, after) == {class_group("c1"), class_group("c2")}


def test_two_spells_in_one_class_are_two_places():
    spring = Seat(class_id="c1", role="student", school_id="hill", begin=None, end=BEFORE)
    autumn = Seat(class_id="c1", role="student", school_id="hill", begin=TODAY, end=None)

    places = places_of(_person(seats=(spring, autumn)))

    assert sorted(place.number for place in places) == [0, 1]
    assert _members(ALGEBRA, places, roster_class=_class()) == {"p1"}


@pytest.mark.parametrize(
    ("begin", "end", "inside"),
    [
        (None, None, True),
        (TODAY, None, True),
        (AFTER, None, False),
        (None, TODAY, False),
        (None, AFTER, True),
    ],
)
def test_a_place_counts_from_its_first_day_and_not_on_its_end_date(begin, end, inside):
    seat = Seat(class_id="c1", role="student", school_id="hill", begin=begin, end=end)

    members = _members(ALGEBRA, places_of(_person(seats=(seat,))), roster_class=_class())

    assert members == ({"p1"} if inside else set())


@pytest.mark.parametrize(
    ("roster_class", "held"),
    [
        (lambda: _class(class_code=None), True),
        (lambda: _class(begin=BEFORE, end=AFTER), True),
        (lambda: _class(begin=AFTER), False),
        (lambda: _class(end=TODAY), False),
        (lambda: _class(active=False), False),
        (lambda: None, False),
    ],
)
def test_a_class_that_is_not_held_has_no_members(roster_class, held):
    members = _members(ALGEBRA, places_of(_person(seats=(_seat(),))), roster_class=roster_class())

    assert bool(members) is held


def test_roles_that_give_no_account_are_in_no_group_of_the_school():
    places = places_of(_person(roles=(_role("teacher"),)))

    assert _members(STAFF, places, roles=frozenset({"student"})) == set()
    assert _members(STAFF, places, roles=frozenset({"teacher"})) == {"p1"}


def test_a_target_gets_the_kinds_of_groups_that_it_asks_for():
    assert kinds_wanted(_policy(groups=frozenset())) == ()
    assert kinds_wanted(_policy(groups=frozenset({"class"}))) == (GroupKind.CLASS,)
    assert set(kinds_wanted(_policy(groups=frozenset({"school"})))) == {
        GroupKind.STUDENTS,
        GroupKind.STAFF,
    }


def test_a_class_is_shown_by_title_and_code_and_looked_at_again_on_its_dates():
    assert shown_class(_class()) == "Algebra"
    assert shown_class(_class(class_code="A-1")) == "Algebra (A-1)"
    assert next_class_review(_class(begin=BEFORE, end=AFTER), today=TODAY) == AFTER
    assert next_class_review(_class(end=TODAY), today=TODAY) is None


def _members(name, places, *, roster_class=None, roles=frozenset({"student", "teacher"})):
    return belonging(
        name,
        [(PersonId("p1"), place) for place in places if place.name == name],
        roster_class=roster_class,
        policy=_policy(roles=roles),
        today=TODAY,
    )


def _policy(*, roles=frozenset({"student"}), groups=frozenset({"school", "class"})):
    return Policy(
        district_id=DistrictId("north"),
        target_id=TargetId("t"),
        roles=roles,
        email_domain=None,
        time_zone="UTC",
        groups=groups,
    )


def _role(role="student", *, org_type="school"):
    return Role(
        role=role,
        role_type="primary",
        org_id="hill",
        begin=None,
        end=None,
        org_name="Hill",
        org_type=org_type,
    )


def _seat(role="student", *, class_id="c1"):
    return Seat(class_id=class_id, role=role, school_id="hill", begin=None, end=None)


def _class(**fields):
    values = {
        "class_id": "c1",
        "active": True,
        "title": "Algebra",
        "class_code": None,
        "school_id": "hill",
        "school_name": "Hill",
    }
    return RosterClass(**(values | fields))


def _person(*, roles=(), seats=(), active=True, enabled=True):
    return Person(
        person_id=PersonId("p1"),
        active=active,
        enabled=enabled,
        given_name="Ada",
        family_name="Byron",
        preferred_first_name=None,
        preferred_last_name=None,
        username=None,
        email=None,
        primary_org_id=None,
        roles=roles,
        seats=seats,
    )
