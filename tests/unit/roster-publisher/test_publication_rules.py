"""What a batch does, decided without any I/O."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from roster_publisher.domain.publication import (
    Cause,
    Change,
    Decided,
    Stored,
    decide,
    draft_of,
    next_stamp,
    scope_ids,
    settle,
)
from roster_publisher.domain.records import Key, content_hash
from tests.support.oneroster_records import class_, enrollment, org, role, user

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
CAUSE = Cause(event_id="e", correlation_id="c", origin="webhook")


def change(entity: Any, record: dict[str, Any] | None, *, at: int = 0, who: str = "u1") -> Change:
    return Change(
        key=Key(entity, who), record=record, time=NOW + timedelta(seconds=at), cause=CAUSE
    )


def draft(entity: Any, record: dict[str, Any]) -> Any:
    return draft_of(
        Key(entity, record["sourcedId"]), record, status="active", time=NOW, cause=CAUSE
    )


def apply(decided: Decided, stored: dict[Key, Stored]) -> dict[Key, Stored]:
    """What the store holds after the drafts are written and what stays is confirmed."""
    kept = {key: replace(stored[key], event_time=time) for key, time in decided.confirmed.items()}
    return (
        stored
        | kept
        | {
            one.key: Stored(
                key=one.key,
                status=one.status,
                shown=True,
                content_hash=one.content_hash,
                event_time=one.time,
                scope_ids=frozenset(),
                record=one.record,
            )
            for one in decided.drafts
        }
    )


def test_a_new_record_is_a_draft() -> None:
    decided = decide([change("user", user("u1"))], {})

    assert [(one.key, one.status) for one in decided.drafts] == [(Key("user", "u1"), "active")]


def test_two_changes_that_end_where_they_began_are_unchanged() -> None:
    stored = apply(decide([change("user", user("u1"))], {}), {})

    decided = decide(
        [
            change("user", user("u1", givenName="Bob"), at=1),
            change("user", user("u1"), at=2),
        ],
        stored,
    )

    assert (decided.drafts, decided.unchanged) == ((), 1)


def test_a_change_that_was_taken_back_is_late_when_it_comes_again() -> None:
    taken_back = change("user", user("u1", givenName="Bob"), at=1)
    first = apply(decide([change("user", user("u1"))], {}), {})

    stored = apply(decide([taken_back, change("user", user("u1"), at=2)], first), first)

    again = decide([taken_back], stored)
    assert (again.drafts, again.late) == ((), 1)


def test_a_record_that_says_tobedeleted_is_a_tombstone() -> None:
    (found,) = decide([change("user", user("u1", status="tobedeleted"))], {}).drafts

    assert found.status == "tobedeleted"


def test_a_deletion_keeps_the_body() -> None:
    stored = apply(decide([change("user", user("u1"))], {}), {})

    (found,) = decide([change("user", None, at=1)], stored).drafts

    assert (found.status, found.record) == ("tobedeleted", user("u1"))


def test_the_hash_is_of_what_the_source_said_only() -> None:
    said = user("u1")

    assert content_hash(said) == content_hash(
        dict(reversed(said.items())) | {"status": "active", "dateLastModified": "2026-01-01"}
    )
    assert content_hash(said) != content_hash(said | {"sms": "1"})


EVENTS = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from(["Ada", "Bob", "Cyd", None])), max_size=12
)


@given(events=EVENTS, cut=st.integers(0, 12))
def test_how_events_are_batched_does_not_matter(
    events: list[tuple[int, str | None]], cut: int
) -> None:
    changes = [
        change("user", None if name is None else user("u1", givenName=name), at=at)
        for at, name in events
    ]
    whole = apply(decide(changes, {}), {})

    first = apply(decide(changes[:cut], {}), {})
    parts = apply(decide(changes[cut:], first), first)

    assert {k: (v.status, v.content_hash) for k, v in whole.items()} == {
        k: (v.status, v.content_hash) for k, v in parts.items()
    }


@given(events=EVENTS)
def test_what_was_applied_changes_nothing_when_it_comes_again(
    events: list[tuple[int, str | None]],
) -> None:
    ordered = sorted(events, key=lambda event: event[0])
    # One moment, one event: two at the same moment are taken in log order each time.
    unique = dict(ordered)
    changes = [
        change("user", None if name is None else user("u1", givenName=name), at=at)
        for at, name in unique.items()
    ]
    stored = apply(decide(changes, {}), {})

    assert decide(changes, stored).drafts == ()


def test_a_record_is_shown_with_what_it_needs_from_the_same_batch() -> None:
    drafts = [
        draft("enrollment", enrollment("e1", user="u1")),
        draft("user", user("u1")),
        draft("org", org("s1")),
        draft("class", class_("k1")),
    ]

    settled = settle(drafts, [Key("course", "c1"), Key("academicSession", "t1")])

    assert [one.key.entity for one in settled.publish] == ["org", "class", "user", "enrollment"]
    assert settled.wait == ()
    assert settled.dangling() == ()


def test_one_org_of_two_is_enough_for_a_user() -> None:
    both = draft("user", user("u1", role("s1"), role("s9")))

    settled = settle([both], [Key("org", "s1")])

    assert settled.publish == (both,)
    assert settled.dangling() == ((Key("org", "s9"), Key("user", "u1")),)
    assert scope_ids(both, settled.shown) == {"s1"}


def test_a_missing_requirement_makes_a_record_wait() -> None:
    settled = settle([draft("class", class_("k1"))], [Key("course", "c1"), Key("org", "s1")])

    assert settled.publish == ()
    assert settled.dangling() == ((Key("academicSession", "t1"), Key("class", "k1")),)


@given(
    now=st.datetimes(timezones=st.just(UTC)),
    last=st.datetimes(
        min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)
    ),
)
def test_a_stamp_is_above_the_last_and_in_whole_milliseconds(now: datetime, last: datetime) -> None:
    last = last.replace(microsecond=last.microsecond // 1000 * 1000)

    stamp = next_stamp(now, last)

    assert stamp > last
    assert stamp.microsecond % 1000 == 0
