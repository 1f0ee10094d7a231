"""When the schedule may begin the next pull: once the last one's run has ended, and not in vain."""

from datetime import UTC, datetime, timedelta

from sis_ingest.domain.pulls import Standing

NOW = datetime(2026, 9, 1, 3, tzinfo=UTC)


def test_a_source_without_a_pull_or_with_a_good_one_may_be_pulled() -> None:
    assert Standing().may_be_followed(NOW)
    assert Standing(state="completed", good_at=NOW).may_be_followed(NOW)


def test_while_its_run_is_under_way_nothing_follows_a_pull() -> None:
    assert not Standing(state="completed", importing=True).may_be_followed(NOW)


def test_what_was_refused_is_read_again_after_a_while() -> None:
    refused = Standing(state="failed", refused_at=NOW)

    assert not refused.may_be_followed(NOW + timedelta(minutes=29))
    assert refused.may_be_followed(NOW + timedelta(minutes=30))
