"""Names: what the roster gives wins, what was given stays, the rest is allocated without clashes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_sync.domain.account import Names, NameSource
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.names import (
    USERNAME_MAX,
    NameRefused,
    Taken,
    base_of,
    choose,
    key_of,
    stem_of,
    stems_of,
)
from directory_sync.domain.person import Person
from directory_sync.domain.policy import Policy

NOTHING_TAKEN = Taken(usernames={}, emails={})


def test_a_username_is_first_initial_and_family_name():
    assert _choose(_person("Ada", "Lovelace")) == Names(
        username="alovelace", email="alovelace@north.example", source=NameSource.ALLOCATED
    )


@pytest.mark.parametrize(
    ("given_name", "family_name", "base"),
    [
        ("Zoë", "Müller-Łoś", "zmulleros"),
        ("Jean Luc", "O'Neil", "joneil"),
        ("太郎", "山田", "user"),
        ("Ada", "", "a"),
    ],
)
def test_names_are_folded_to_ascii_letters(given_name, family_name, base):
    assert base_of(_person(given_name, family_name)) == base


def test_a_preferred_name_is_used_before_the_legal_one():
    person = _person("Robert", "Smith", preferred_first_name="Ben")

    assert base_of(person) == "bsmith"


def test_a_taken_name_gets_the_next_number():
    taken = Taken(usernames={"alovelace": PersonId("other"), "alovelace2": None}, emails={})

    assert _choose(_person("Ada", "Lovelace"), taken=taken).username == "alovelace3"


def test_a_name_whose_address_is_taken_is_not_given():
    taken = Taken(usernames={}, emails={"alovelace@north.example": PersonId("other")})

    assert _choose(_person("Ada", "Lovelace"), taken=taken).username == "alovelace2"


def test_a_long_name_is_cut_so_that_its_number_still_fits():
    person = _person("Maximiliana", "Featherstonehaughington")
    taken = Taken(usernames={"mfeatherstonehaughin": None}, emails={})

    assert _choose(person, taken=taken).username == "mfeatherstonehaughi2"


def test_a_name_once_given_is_kept_when_the_person_marries():
    held = Names(username="alovelace", email="alovelace@north.example", source=NameSource.ALLOCATED)

    assert _choose(_person("Ada", "Byron"), held=held) == held


def test_the_rosters_own_names_are_taken_as_they_are():
    person = _person("Ada", "Lovelace", username="Ada.L", email="ada@school.example")

    assert _choose(person) == Names(
        username="Ada.L", email="ada@school.example", source=NameSource.ROSTER
    )


def test_a_username_of_the_roster_that_another_holds_in_other_case_is_refused():
    person = _person("Ada", "Lovelace", username="Ada.L")
    taken = Taken(usernames={"ada.l": PersonId("other")}, emails={})

    assert _choose(person, taken=taken) == NameRefused(code="username_taken")


def test_without_an_email_domain_nobody_is_given_an_address():
    assert _choose(_person("Ada", "Lovelace"), domain=None).email is None


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=30)), min_size=1, max_size=40))
def test_no_two_persons_get_one_name_and_what_is_looked_up_covers_all_candidates(full_names):
    usernames: dict[str, PersonId | None] = {}
    for number, (given_name, family_name) in enumerate(full_names):
        person = _person(given_name, family_name, person_id=f"p{number}")
        stems = stems_of(person)
        # Only what the ledger is asked for may be used to decide.
        near = {key: owner for key, owner in usernames.items() if stem_of(key) in stems}

        names = _choose(person, taken=Taken(usernames=near, emails={}))

        assert isinstance(names, Names)
        assert key_of(names.username) not in usernames
        assert len(names.username) <= USERNAME_MAX
        assert names.username.isascii()
        usernames[key_of(names.username)] = person.person_id


def _choose(person, *, held=None, taken=NOTHING_TAKEN, domain="north.example"):
    policy = Policy(
        district_id=DistrictId("north"),
        target_id=TargetId("t"),
        roles=frozenset({"student"}),
        email_domain=domain,
        time_zone="UTC",
    )
    return choose(person, held=held, taken=taken, policy=policy)


def _person(
    given_name,
    family_name,
    *,
    person_id="p",
    preferred_first_name=None,
    username=None,
    email=None,
):
    return Person(
        person_id=PersonId(person_id),
        active=True,
        enabled=True,
        given_name=given_name,
        family_name=family_name,
        preferred_first_name=preferred_first_name,
        preferred_last_name=None,
        username=username,
        email=email,
        primary_org_id=None,
        roles=(),
        seats=(),
    )


def test_a_username_that_its_owner_let_go_is_given_by_the_roster_and_never_made_up():
    other = PersonId("other")
    taken = Taken(usernames={"alovelace": other}, emails={}, let_go=frozenset({"alovelace"}))
    asked = _person("Ada", "Lovelace", username="ALovelace")

    assert isinstance(
        _choose(asked, taken=Taken(usernames=taken.usernames, emails={})), NameRefused
    )
    assert _choose(asked, taken=taken).username == "ALovelace"
    assert _choose(_person("Ada", "Lovelace"), taken=taken).username == "alovelace2"
