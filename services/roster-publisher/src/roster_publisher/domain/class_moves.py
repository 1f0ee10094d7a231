"""Who changed from one class to another. Pure.

Within one derivation a person left exactly one class of a course and entered exactly one other of
the same course in the same role: that is a class move. Anything else is not told as one, because
which class replaced which would be a guess. Only seats in force count, so a move that is dated
ahead is told on its day. Source: `k12.roster.enrollment.moved.v1`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, TypeAlias

from roster_publisher.domain.people import EnrolmentFacts, day_of


class Seat(NamedTuple):
    """A class attended, in which role, and the course it teaches."""

    class_id: str
    role: str
    course_id: str


Attended: TypeAlias = tuple[Seat, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMove:
    """One change of class; `effective_date` is the first day there."""

    from_class_id: str
    to_class_id: str
    effective_date: date


def attended_on(day: date, enrolments: Iterable[EnrolmentFacts]) -> Attended:
    """Seats in force on `day`, sorted, each once."""
    return tuple(sorted({_seat(one) for one in enrolments if _in_force(one, day)}))


def class_moves(
    before: Attended, after: Attended, enrolments: Sequence[EnrolmentFacts], *, today: date
) -> tuple[ClassMove, ...]:
    """Moves between two derivations, in the order of the classes left."""
    stayed = {seat.class_id for seat in before} & {seat.class_id for seat in after}
    gone = _by_course(seat for seat in before if seat.class_id not in stayed)
    come = _by_course(seat for seat in after if seat.class_id not in stayed)
    moves = [
        ClassMove(
            from_class_id=left[0],
            to_class_id=entered[0],
            effective_date=_first_day(entered[0], enrolments, today),
        )
        for course, left in gone.items()
        if len(left) == 1 and len(entered := come.get(course, [])) == 1
    ]
    return tuple(sorted(moves, key=lambda move: (move.from_class_id, move.to_class_id)))


def _seat(one: EnrolmentFacts) -> Seat:
    return Seat(one.class_id, one.role, one.course_id)


def _in_force(one: EnrolmentFacts, day: date) -> bool:
    begin, end = day_of(one.record, "beginDate"), day_of(one.record, "endDate")
    return (begin is None or begin <= day) and (end is None or end > day)


def _by_course(seats: Iterable[Seat]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for seat in seats:
        found.setdefault((seat.course_id, seat.role), []).append(seat.class_id)
    return found


def _first_day(class_id: str, enrolments: Sequence[EnrolmentFacts], today: date) -> date:
    """When the enrolment in force began; today where it does not say."""
    begins = [
        day_of(one.record, "beginDate")
        for one in enrolments
        if one.class_id == class_id and _in_force(one, today)
    ]
    return min((day for day in begins if day is not None), default=today)
