"""Cursors say what they said, and what no cursor is, is none; subscriptions as settings name them."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from roster_publisher.domain.access import Grant
from roster_publisher.domain.change_feed import (
    FED,
    BadCursor,
    Cursor,
    Spot,
    decode,
    encode,
    end_of,
    from_ms,
    opened,
    shown_by,
    to_ms,
)
from roster_publisher.domain.collections import KNOWN_SCOPES, ROSTER
from roster_publisher.domain.rules import Rule
from roster_publisher.domain.webhooks import NotSent, Standing, Subscription
from roster_publisher.settings import WebhookSetting

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
SECRET = "whsec_" + "bmV3" * 8
STAMPS = st.integers(0, 253_402_300_799_000)
IDS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=60)


@given(began=st.none() | STAMPS, stamp=STAMPS, order=st.integers(-1, 99), sourced_id=IDS)
def test_a_cursor_that_was_given_out_is_read_as_it_was(
    began: int | None, stamp: int, order: int, sourced_id: str
) -> None:
    cursor = Cursor(shows="0" * 16, spot=Spot(stamp, order, sourced_id), began_ms=began)
    text = encode(cursor)
    assert decode(text) == cursor
    assert text.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda b: base64.b64encode(b).decode()))
def test_any_other_text_is_no_cursor_or_one_in_its_bounds(text: str) -> None:
    try:
        cursor = decode(text)
    except BadCursor:
        return
    assert from_ms(cursor.spot.stamp_ms).year <= 9999


def test_the_end_of_a_commit_is_behind_everything_in_it() -> None:
    assert all(Spot(5, place, "\U0010ffff") < end_of(5) < Spot(6, -1, "") for place in range(7))
    assert from_ms(to_ms(NOW)) == NOW


def test_what_a_grant_shows_has_a_name_that_changes_with_it() -> None:
    def named(**more: object) -> str:
        grant = Grant(district_id="d", client_id="c", token_scopes=KNOWN_SCOPES, **more)  # type: ignore[arg-type]
        return shown_by(grant, FED)

    shown = [
        named(),
        named(school_ids=("s1",)),
        named(school_ids=("s1", "s2")),
        named(field_groups=frozenset({"names"})),
        named(field_groups=frozenset()),
        named(rules=(Rule(grades=("07",)),)),
    ]
    assert len(set(shown)) == len(shown)
    assert named(agreement="2026-17", expires_at=NOW) == named()
    whole = Grant(district_id="d", client_id="c", token_scopes=KNOWN_SCOPES)
    assert shown_by(whole, opened({ROSTER})) != shown_by(whole, FED)


def test_calls_that_fail_come_later_and_later_and_end_after_three_days() -> None:
    standing, now, waits = Standing(), NOW, []
    while standing.stopped_at is None:
        standing = standing.failed(NotSent(reason="timeout"), now=now, chance=0.999)
        assert standing.not_before is not None
        waits.append((standing.not_before - now).total_seconds())
        now = standing.not_before
    assert [round(wait) for wait in waits[:4]] == [1, 2, 4, 8]
    assert max(waits) <= 1_800
    assert timedelta(days=3) <= standing.stopped_at - NOW < timedelta(days=3, hours=1)


def test_a_receiver_is_waited_for_as_long_as_it_asks() -> None:
    asked = NotSent(reason="status_503", retry_after_s=600.0)
    standing = Standing().failed(asked, now=NOW, chance=0.0)
    assert standing.not_before == NOW + timedelta(seconds=600)


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        (None, {"users.upserted", "classes.deleted", "grant.changed", "feed.restarted"}),
        ({"users.*"}, {"users.upserted", "grant.changed", "feed.restarted"}),
        ({"classes.deleted"}, {"classes.deleted", "grant.changed", "feed.restarted"}),
    ],
)
def test_what_a_subscription_wants(events: set[str] | None, wanted: set[str]) -> None:
    kinds = {"users.upserted", "classes.deleted", "grant.changed", "feed.restarted"}
    one = Subscription(
        district_id="d",
        client_id="c",
        url="https://vendor.example",
        secrets=(SECRET,),
        events=None if events is None else frozenset(events),
    )
    assert {kind for kind in kinds if one.wants(kind)} == wanted
    assert SECRET not in repr(one)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://vendor.example/hook"},
        {"url": "https://user:word@vendor.example/hook"},
        {"url": "https://vendor.example/hook#part"},
        {"url": "https:///hook"},
        {"url": "https://vendor.example:99999/hook"},
        {"secrets": []},
        {"secrets": ["whsec_" + "bmV3" * 7]},
        {"secrets": ["whsec_no base64 at all, but long enough"]},
        {"events": []},
        {"events": ["people.*"]},
        {"other": 1},
    ],
)
def test_a_webhook_that_cannot_work_is_refused_at_the_start(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {
        "url": "https://vendor.example/hook?key=1",
        "secrets": [SECRET, SECRET],
        "events": ["users.*", "classes.deleted", "sync.completed"],
    }
    WebhookSetting.model_validate(right)
    with pytest.raises(ValidationError) as refused:
        WebhookSetting.model_validate(right | wrong)
    assert SECRET not in str(refused.value)
