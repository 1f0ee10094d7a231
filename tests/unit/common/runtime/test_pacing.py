"""Rate, breaker, backoff and Retry-After as plain rules of time."""

from datetime import UTC, datetime

import pytest

from roster_common.runtime.pacing import (
    Breaker,
    CallPolicy,
    Pace,
    TokenBucket,
    backoff_s,
    retry_after_s,
)

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def test_a_bucket_lets_a_burst_through_and_then_keeps_the_rate():
    bucket = TokenBucket(rate_per_s=2, burst=2, now_s=0)

    assert [bucket.reserve(0) for _ in range(5)] == [0, 0, 0.5, 1.0, 1.5]


def test_a_bucket_fills_again_but_not_beyond_its_burst():
    bucket = TokenBucket(rate_per_s=1, burst=1, now_s=0)
    bucket.reserve(0)

    assert [bucket.reserve(100), bucket.reserve(100)] == [0, 1.0]


def test_a_breaker_opens_after_failures_in_a_row():
    breaker = Breaker(failures=2, open_s=10)

    breaker.failed(0)
    breaker.succeeded()
    breaker.failed(1)
    assert breaker.wait_s(1) is None
    breaker.failed(2)

    assert breaker.is_open
    assert breaker.wait_s(5) == 7


def test_after_its_rest_one_call_tries_and_others_wait():
    breaker = Breaker(failures=1, open_s=10)
    breaker.failed(0)

    assert breaker.wait_s(10) is None
    assert breaker.wait_s(10) == 10

    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.wait_s(10) is None


def test_a_trial_that_fails_opens_again_at_once():
    breaker = Breaker(failures=5, open_s=10)
    for moment in range(5):
        breaker.failed(moment)
    assert breaker.wait_s(14) is None

    breaker.failed(15)

    assert breaker.wait_s(24) == 1


def test_a_trial_that_was_cancelled_lets_another_try():
    breaker = Breaker(failures=1, open_s=10)
    breaker.failed(0)
    breaker.wait_s(10)

    breaker.abandoned()

    assert breaker.wait_s(11) is None


@pytest.mark.parametrize(
    ("failures", "chance", "expected"),
    [(1, 0, 0.02), (1, 1, 0.2), (2, 1, 0.4), (3, 1, 0.8), (10, 1, 5.0), (10_000, 0, 0.5)],
)
def test_backoff_doubles_is_spread_and_bounded(failures, chance, expected):
    policy = CallPolicy(backoff_first_s=0.2, backoff_max_s=5)

    assert backoff_s(policy, failures=failures, chance=chance) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("9" * 400, 3_600.0),
    ],
)
def test_retry_after_is_read_in_both_forms_and_nonsense_is_ignored(header, expected):
    assert retry_after_s(header, now=NOW) == expected


def test_turns_that_nobody_waits_for_are_not_taken():
    pace = Pace()
    for moment in range(8):
        pace.refused(100.0 * moment)
    waits = [pace.reserve(800.0, within_s=60.0) for _ in range(1_000)]

    assert max(waits) < 60.0 + Pace.WIDEST_S
    assert pace.reserve(860.0, within_s=60.0) < 60.0


def test_turns_of_a_bucket_that_nobody_waits_for_are_not_taken():
    bucket = TokenBucket(rate_per_s=1, burst=1, now_s=0)
    for _ in range(1_000):
        bucket.reserve(0, within_s=5.0)

    assert bucket.reserve(1, within_s=5.0) < 5.0


def test_the_distance_eases_with_time_alone():
    pace = Pace()
    for moment in range(8):
        pace.refused(100.0 * moment)
    widest = pace.distance_s
    pace.reserve(1_000.0)

    assert widest > 5.0
    assert pace.distance_s < widest / 8


def test_calls_refused_together_widen_once():
    pace = Pace()
    for _ in range(50):
        pace.refused(7.0)

    assert pace.distance_s == Pace.FIRST_S


@pytest.mark.parametrize("header", ["999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_nobody_may_silence_us_for_more_than_an_hour(header):
    assert retry_after_s(header, now=NOW) == 3_600
