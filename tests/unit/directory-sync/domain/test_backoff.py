"""Waits grow and stay within their bound."""

from directory_sync.domain.backoff import parked_wait_s, transient_wait_s


def test_a_target_that_is_away_is_asked_again_within_a_minute_at_most():
    assert [transient_wait_s(n) for n in (1, 2, 3, 7, 1_000)] == [1.0, 2.0, 4.0, 60.0, 60.0]


def test_a_refusal_is_tried_again_after_a_minute_and_once_a_day_in_the_end():
    assert [parked_wait_s(n) for n in (1, 2, 3)] == [60.0, 240.0, 960.0]
    assert parked_wait_s(1_000) == 86_400.0
