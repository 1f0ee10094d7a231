"""One action brings an account to what it must be, and then there is nothing left to do."""

from hypothesis import assume, given
from hypothesis import strategies as st

from directory_sync.domain.account import ActualAccount, DesiredAccount
from directory_sync.domain.ids import PersonId
from directory_sync.domain.plan import (
    Action,
    Change,
    Create,
    Disable,
    Enable,
    Update,
    not_taken,
    plan,
)

attributes = st.dictionaries(
    st.sampled_from(["userName", "displayName", "userType", "mail"]),
    st.text(min_size=1, max_size=3),
    max_size=4,
)


def _desired(values: dict[str, str]) -> DesiredAccount:
    return DesiredAccount(
        person_id=PersonId("p"), username=values.get("userName", "u"), email=None, attributes=values
    )


def _actual(values: dict[str, str], *, enabled: bool) -> ActualAccount:
    return ActualAccount(
        account_id="a",
        external_id=None,
        username=values.get("userName", "u"),
        email=None,
        enabled=enabled,
        attributes=values,
    )


desired_accounts = st.none() | attributes.map(_desired)
actual_accounts = st.none() | st.builds(
    lambda values, enabled: _actual(values, enabled=enabled), attributes, st.booleans()
)


@given(desired_accounts, actual_accounts)
def test_after_an_applied_plan_planning_again_gives_nothing(desired, actual):
    action = plan(desired, actual)

    after = actual if action is None else _apply(action)

    assert plan(desired, after) is None


@given(desired_accounts, actual_accounts)
def test_who_is_to_have_no_account_has_no_enabled_one_afterwards(desired, actual):
    action = plan(desired, actual)

    after = actual if action is None else _apply(action)

    assert (after is not None and after.enabled) is (desired is not None)


def test_nobody_without_an_account_gets_one_only_to_have_it_disabled():
    assert plan(None, None) is None


def test_a_new_account_is_created():
    wanted = _desired({"userName": "ada"})

    assert plan(wanted, None) == Create(desired=wanted)


def test_only_what_differs_is_changed_and_what_is_not_wanted_is_removed():
    wanted = _desired({"userName": "ada", "displayName": "Ada"})
    stands = _actual({"userName": "ada", "mail": "a@b"}, enabled=True)

    assert plan(wanted, stands) == Update(
        actual=stands,
        changes=(Change(name="displayName", value="Ada"), Change(name="mail", value=None)),
    )


def test_a_disabled_account_is_enabled_again_and_brought_up_to_date():
    wanted = _desired({"userName": "ada"})
    stands = _actual({}, enabled=False)

    assert plan(wanted, stands) == Enable(
        actual=stands, changes=(Change(name="userName", value="ada"),)
    )


def test_a_disabled_account_of_somebody_who_is_gone_is_left_as_it_is():
    assert plan(None, _actual({"userName": "old"}, enabled=False)) is None


def _apply(action: Action) -> ActualAccount:
    """A directory in four lines."""
    match action:
        case Create(desired=desired):
            return _actual(dict(desired.attributes), enabled=True)
        case Disable(actual=actual):
            return _actual(dict(actual.attributes), enabled=False)
        case Update(actual=actual, changes=changes) | Enable(actual=actual, changes=changes):
            merged = dict(actual.attributes) | {c.name: c.value for c in changes}
            return _actual({k: v for k, v in merged.items() if v is not None}, enabled=True)


@given(desired_accounts, actual_accounts, st.sets(st.sampled_from(["userName", "mail"])))
def test_what_a_directory_does_not_take_is_asked_for_once(desired, actual, stubborn):
    action = plan(desired, actual)
    assume(action is not None)
    before = {} if actual is None else actual.attributes

    answer = _apply(action)
    kept = {k: v for k, v in answer.attributes.items() if k not in stubborn}
    kept |= {k: v for k, v in before.items() if k in stubborn}
    answer = _actual(kept, enabled=answer.enabled)

    assert plan(desired, answer, not_taken(action, answer, {})) is None


def test_a_value_that_was_not_taken_is_asked_for_again_once_it_is_another():
    stands = _actual({"userName": "ada"}, enabled=True)
    unheeded = {"userName": "Ada"}

    assert plan(_desired({"userName": "Ada"}), stands, unheeded) is None
    assert plan(_desired({"userName": "Eva"}), stands, unheeded) == Update(
        actual=stands, changes=(Change(name="userName", value="Eva"),)
    )
