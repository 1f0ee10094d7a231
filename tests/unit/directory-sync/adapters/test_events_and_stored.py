"""Words of the domain and words of the wire and the store stay in step."""

from datetime import date

import pytest

from directory_sync.adapters.events import STEPS, FactToEvent
from directory_sync.adapters.postgres.stored import (
    dump,
    hash_of,
    load_actual,
    load_class,
    load_person,
)
from directory_sync.domain.account import ActualAccount
from directory_sync.domain.fact import AccountStep, Cause, MembershipFact
from directory_sync.domain.group import GroupKind
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.person import Person, Role, RosterClass, Seat


def test_every_step_has_the_event_type_of_its_name():
    assert {step.value: data.TYPE for step, data in STEPS.items()} == {
        step.value: f"k12.directory.account.{step.value}.v1" for step in AccountStep
    }


def test_a_stored_person_reads_back_as_it_was():
    person = Person(
        person_id=PersonId("p"),
        active=True,
        enabled=False,
        given_name="Zoë",
        family_name="O'Neil",
        preferred_first_name=None,
        preferred_last_name="X",
        username=None,
        email="z@x.example",
        primary_org_id="hill",
        roles=(
            Role(
                role="student", role_type="primary", org_id="hill", begin=date(2026, 9, 1), end=None
            ),
        ),
        seats=(
            Seat(class_id="c", role="student", school_id="hill", begin=None, end=date(2027, 1, 1)),
        ),
    )

    assert load_person(dump(person)) == person
    assert hash_of(dump(person)) == hash_of(dump(load_person(dump(person))))


def test_a_stored_account_reads_back_as_it_was():
    account = ActualAccount(
        account_id="a",
        external_id=None,
        username="u",
        email=None,
        enabled=True,
        attributes={"userName": "u"},
    )

    assert load_actual(dump(account)) == account


@pytest.mark.parametrize("term", [None, date(2026, 9, 1)])
def test_a_stored_class_reads_back_as_it_was(term):
    roster_class = RosterClass(
        class_id="c",
        active=True,
        title="Algebra",
        class_code="A-1",
        school_id="hill",
        school_name=None,
        begin=term,
        end=None,
    )

    assert load_class(dump(roster_class)) == roster_class


@pytest.mark.parametrize("kind", GroupKind)
@pytest.mark.parametrize(("added", "word"), [(True, "added"), (False, "removed")])
def test_a_membership_is_told_by_ids_with_its_reason_and_its_cause(kind, added, word):
    told = []
    fact = MembershipFact(
        added=added,
        district_id=DistrictId("north"),
        target_id=TargetId("t"),
        person_id=PersonId("p"),
        account_id="a",
        group_id="g",
        reason=kind.reason,
        cause=Cause(correlation_id="why", causation_id="event", origin="webhook"),
    )

    FactToEvent(lambda data, **around: told.append((data, around)))(fact)

    ((data, around),) = told
    assert f"k12.directory.membership.{word}.v1" == data.TYPE
    assert (data.target, data.person_id, data.account_id, data.group_id) == ("t", "p", "a", "g")
    assert data.reason == ("class" if kind is GroupKind.CLASS else "org")
    assert around == {
        "district_id": "north",
        "origin": "webhook",
        "correlation_id": "why",
        "causation_id": "event",
    }
