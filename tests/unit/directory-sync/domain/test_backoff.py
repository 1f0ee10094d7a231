"""Waits grow and stay within their bound."""

from directory_sync.domain.backoff import (
    again_wait_s,
    asked_wait_s,
    parked_wait_s,
    transient_wait_s,
)


def test_a_target_that_is_away_is_asked_again_within_a_minute_at_most():
    assert [transient_wait_s(n) for n in (1, 2, 3, 7, 1_000)] == [1.0, 2.0, 4.0, 60.0, 60.0]


def test_a_refusal_is_tried_again_after_a_minute_and_once_a_day_in_the_end():
    assert [parked_wait_s(n) for n in (1, 2, 3)] == [60.0, 240.0, 960.0]
    assert parked_wait_s(1_000) == 86_400.0


def test_what_is_found_out_on_the_way_is_acted_on_at_once_but_not_for_ever():
    assert [again_wait_s(n) for n in (1, 3, 4, 5, 100)] == [0.0, 0.0, 1.0, 2.0, 60.0]


def test_a_target_that_asks_for_a_wait_gets_it_for_an_hour_at_most():
    assert [asked_wait_s(s, 1) for s in (None, 0.5, 30.0, 1e9, float("inf"))] == [
        1.0,
        1.0,
        30.0,
        3600.0,
        3600.0,
    ]
