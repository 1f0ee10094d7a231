"""Who changed from one class to another, decided without any I/O."""

from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from roster_publisher.domain.class_moves import ClassMove, attended_on, class_moves
from roster_publisher.domain.people import EnrolmentFacts

TODAY = date(2026, 9, 10)


def seat(class_id: str, *, course: str = "c1", role: str = "student", **record: Any):
    return EnrolmentFacts(
        class_id=class_id,
        course_id=course,
        school_id="s1",
        role=role,
        record=record,
        title=class_id,
        class_code=None,
        term_ids=("t1",),
    )


def moves(
    before: list[EnrolmentFacts], after: list[EnrolmentFacts], today: date = TODAY
) -> list[ClassMove]:
    """Moves between what was in force the day before and what is now."""
    held = attended_on(date(2026, 9, 9), before)
    return list(class_moves(held, attended_on(today, after), after, today=today))


def test_one_class_for_another_of_the_course_is_a_move() -> None:
    (move,) = moves([seat("k1"), seat("m1", course="c2")], [seat("k2"), seat("m1", course="c2")])

    assert (move.from_class_id, move.to_class_id) == ("k1", "k2")
    assert move.effective_date == TODAY


def test_the_enrolment_says_the_first_day_there() -> None:
    (move,) = moves([seat("k1")], [seat("k2", beginDate="2026-09-08")])

    assert move.effective_date == date(2026, 9, 8)


def test_another_course_or_another_role_is_no_move() -> None:
    assert moves([seat("k1")], [seat("m1", course="c2")]) == []
    assert moves([seat("k1")], [seat("k2", role="teacher")]) == []


def test_entering_alone_and_leaving_alone_are_no_moves() -> None:
    assert moves([], [seat("k1")]) == []
    assert moves([seat("k1")], []) == []
    assert moves([seat("k1")], [seat("k1"), seat("k2")]) == []


def test_two_for_two_is_a_guess_and_so_no_move() -> None:
    assert moves([seat("k1"), seat("k2")], [seat("k3"), seat("k4")]) == []


def test_a_class_that_changes_its_course_is_no_move() -> None:
    assert moves([seat("k1"), seat("k2", course="c2")], [seat("k1", course="c2")]) == []


def test_a_move_dated_ahead_is_told_on_its_day() -> None:
    both = [seat("k1", endDate="2026-09-10"), seat("k2", beginDate="2026-09-10")]

    assert moves([seat("k1")], both, today=date(2026, 9, 9)) == []
    (move,) = moves(both, both)
    assert (move.from_class_id, move.effective_date) == ("k1", date(2026, 9, 10))


SEATS = st.lists(
    st.builds(
        seat, st.sampled_from(["k1", "k2", "k3", "k4"]), course=st.sampled_from(["c1", "c2"])
    ),
    max_size=5,
    unique_by=lambda one: one.class_id,
)


@given(before=SEATS, after=SEATS)
def test_a_move_leaves_what_was_held_for_what_was_not(
    before: list[EnrolmentFacts], after: list[EnrolmentFacts]
) -> None:
    held, now = {s.class_id for s in before}, {s.class_id for s in after}

    found = moves(before, after)

    assert all(m.from_class_id in held - now and m.to_class_id in now - held for m in found)
    assert (
        len(found) == len({m.from_class_id for m in found}) == len({m.to_class_id for m in found})
    )
    assert moves(after, after) == []
