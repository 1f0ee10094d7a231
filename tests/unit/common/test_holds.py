"""The arithmetic of guards and the life of a hold. Expectations by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster_common.holds import (
    Decision,
    HoldState,
    Limit,
    Refused,
    approvals_needed,
    approve,
    expire,
    hash_items,
    reject,
    trips,
)

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
USERS = Limit(count=25, share=0.05)
OPEN = Decision(state="open", items_hash="h", expires_at=NOW + timedelta(hours=24))
ITEMS = st.lists(st.tuples(st.text(max_size=5), st.sampled_from(["remove", "disable"])), max_size=8)


@pytest.mark.parametrize(
    ("population", "allowed"), [(-1, 25), (0, 25), (519, 25), (520, 26), (2_000, 100)]
)
def test_the_larger_of_count_and_share_may_go(population: int, allowed: int) -> None:
    assert USERS.allowance(population) == allowed


def test_one_more_than_allowed_trips_and_nothing_wanted_never_does() -> None:
    assert not trips(USERS, wanted=25, spent=0, population=100)
    assert trips(USERS, wanted=26, spent=0, population=100)
    assert not trips(USERS, wanted=0, spent=99, population=100)
    assert trips(Limit(count=0, share=0.0), wanted=1, spent=0, population=1_000)


def test_small_steps_spend_from_one_budget() -> None:
    assert not trips(USERS, wanted=5, spent=20, population=100)
    assert trips(USERS, wanted=5, spent=21, population=100)


@given(ITEMS)
def test_the_hash_knows_the_items_and_not_their_order(items: list[tuple[str, str]]) -> None:
    assert hash_items(items) == hash_items([*reversed(items), *items])


@given(ITEMS, ITEMS)
def test_other_items_have_another_hash(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    assert (hash_items(one) == hash_items(other)) == (set(one) == set(other))


def test_parts_of_an_item_do_not_run_together() -> None:
    assert hash_items([("ab", "c")]) != hash_items([("a", "bc")])


def test_one_person_approves_what_needs_one() -> None:
    assert approve(OPEN, subject="ann", items_hash="h", now=NOW) == replace(
        OPEN, state="approved", approvals=("ann",)
    )


def test_two_different_people_approve_what_needs_two() -> None:
    two = replace(OPEN, approvals_needed=2)

    first = approve(two, subject="ann", items_hash="h", now=NOW)
    assert first == replace(two, approvals=("ann",))
    assert isinstance(first, Decision)
    assert approve(first, subject="ann", items_hash="h", now=NOW) == Refused(code="same_approver")
    second = approve(first, subject="bob", items_hash="h", now=NOW)
    assert second == replace(two, state="approved", approvals=("ann", "bob"))


def test_an_approval_of_something_else_does_not_count() -> None:
    assert approve(OPEN, subject="ann", items_hash="other", now=NOW) == Refused(code="hash_differs")


def test_two_people_are_needed_above_a_quarter() -> None:
    assert approvals_needed(held=25, population=100) == 1
    assert approvals_needed(held=26, population=100) == 2
    assert approvals_needed(held=1, population=0) == 2


def test_a_rejected_hold_has_ended() -> None:
    rejected = reject(OPEN, now=NOW)

    assert rejected == replace(OPEN, state="rejected")
    assert isinstance(rejected, Decision)
    assert approve(rejected, subject="ann", items_hash="h", now=NOW) == Refused(code="ended")


def test_an_open_hold_ends_by_itself_and_a_decided_one_stays() -> None:
    late = OPEN.expires_at

    assert expire(OPEN, now=late - timedelta(seconds=1)) == OPEN
    assert expire(OPEN, now=late) == replace(OPEN, state="expired")
    assert expire(replace(OPEN, state="approved"), now=late) == replace(OPEN, state="approved")
    assert approve(OPEN, subject="ann", items_hash="h", now=late) == Refused(code="ended")
    assert reject(OPEN, now=late) == Refused(code="ended")


@pytest.mark.parametrize("state", ["approved", "rejected", "expired"])
def test_what_ended_is_not_decided_again(state: HoldState) -> None:
    ended = replace(OPEN, state=state)

    assert approve(ended, subject="ann", items_hash="h", now=NOW) == Refused(code="ended")
    assert reject(ended, now=NOW) == Refused(code="ended")
    assert expire(ended, now=OPEN.expires_at) == ended
