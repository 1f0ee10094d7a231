"""Words of the domain and words of the wire and the store stay in step."""

from datetime import date

from directory_sync.adapters.events import STEPS
from directory_sync.adapters.postgres.stored import dump, hash_of, load_actual, load_person
from directory_sync.domain.account import ActualAccount
from directory_sync.domain.fact import AccountStep
from directory_sync.domain.ids import PersonId
from directory_sync.domain.person import Person, Role, Seat


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
