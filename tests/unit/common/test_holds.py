"""The shared rule of guards and holds: what trips, what a hash names, who may approve."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster_common.holds import (
    Decision,
    Limit,
    Refused,
    approvals_needed,
    approve,
    expire,
    hash_items,
    reject,
    trips,
)

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
HASH = hash_items([("u1", "remove")])
OPEN = Decision(state="open", items_hash=HASH, expires_at=NOW + timedelta(hours=24))
USERS = Limit(count=25, share=0.05)
ITEMS = st.lists(st.tuples(st.text(max_size=3), st.sampled_from(["remove", "add"])), max_size=6)


@pytest.mark.parametrize(
    ("population", "allowed"), [(0, 25), (-5, 25), (500, 25), (519, 25), (520, 26), (10_000, 500)]
)
def test_the_larger_of_count_and_share_may_go(population: int, allowed: int) -> None:
    assert USERS.allowance(population) == allowed
    assert not trips(USERS, wanted=allowed, spent=0, population=population)
    assert trips(USERS, wanted=allowed + 1, spent=0, population=population)


@pytest.mark.parametrize(
    ("wanted", "spent", "trip"),
    [(0, 100, False), (1, 25, True), (1, 24, False), (25, 0, False), (20, 6, True)],
)
def test_what_was_spent_before_counts(wanted: int, spent: int, trip: bool) -> None:
    assert trips(USERS, wanted=wanted, spent=spent, population=100) is trip


def test_where_nothing_may_go_one_is_too_many() -> None:
    assert trips(Limit(count=0, share=0.0), wanted=1, spent=0, population=1_000_000)


@given(items=ITEMS, random=st.randoms())
def test_a_hash_names_a_set_whatever_its_order(items, random) -> None:
    again = [*items, *items[:1]]
    random.shuffle(again)

    assert hash_items(again) == hash_items(items)


@given(one=ITEMS, other=ITEMS)
def test_two_sets_share_no_hash(one, other) -> None:
    assert (hash_items(one) == hash_items(other)) is (set(one) == set(other))


def test_the_border_between_the_parts_of_an_item_counts() -> None:
    assert hash_items([("ab", "c")]) != hash_items([("a", "bc")])


@pytest.mark.parametrize(("held", "needed"), [(25, 1), (26, 2), (1, 1)])
def test_above_a_quarter_two_are_needed(held: int, needed: int) -> None:
    assert approvals_needed(held=held, population=100) == needed


def test_all_of_nothing_needs_two() -> None:
    assert approvals_needed(held=1, population=0) == 2


def test_one_approval_is_enough_where_one_is_needed() -> None:
    decided = approve(OPEN, subject="ada", items_hash=HASH, now=NOW)

    assert decided == replace(OPEN, state="approved", approvals=("ada",))


def test_the_second_must_be_somebody_else() -> None:
    two = replace(OPEN, approvals_needed=2)
    first = approve(two, subject="ada", items_hash=HASH, now=NOW)
    assert isinstance(first, Decision)

    assert (first.state, first.approvals) == ("open", ("ada",))
    same = approve(first, subject="ada", items_hash=HASH, now=NOW)
    assert same == Refused(code="same_approver")
    second = approve(first, subject="bea", items_hash=HASH, now=NOW)
    assert second == replace(two, state="approved", approvals=("ada", "bea"))


def test_an_approval_of_other_items_does_not_count() -> None:
    other = hash_items([("u2", "remove")])

    assert approve(OPEN, subject="ada", items_hash=other, now=NOW) == Refused(code="hash_differs")


@pytest.mark.parametrize("state", ["approved", "rejected", "expired"])
def test_what_ended_is_not_decided_again(state) -> None:
    ended = replace(OPEN, state=state)

    assert approve(ended, subject="ada", items_hash=HASH, now=NOW) == Refused(code="ended")
    assert reject(ended, now=NOW) == Refused(code="ended")
    assert expire(ended, now=OPEN.expires_at) == ended


def test_time_ends_what_is_open_at_its_very_moment() -> None:
    at = OPEN.expires_at

    assert expire(OPEN, now=at - timedelta(microseconds=1)) == OPEN
    assert expire(OPEN, now=at).state == "expired"
    assert approve(OPEN, subject="ada", items_hash=HASH, now=at) == Refused(code="ended")
    assert reject(OPEN, now=at) == Refused(code="ended")


def test_what_is_rejected_stays_so() -> None:
    assert reject(OPEN, now=NOW) == replace(OPEN, state="rejected")
