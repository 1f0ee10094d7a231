"""Whether a person is here or has left, as `roster.lifecycle` tells it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ticket_events.domain.cause import Cause
from ticket_events.domain.device_request import Joined, Left
from ticket_events.domain.ids import PersonId

SOON: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """`leaving_id` names the event that told of the leaving; None while the person is here.

    A move between schools is neither: the person stays. `merged_into` is the id that stands for
    one that ended in a merge.
    """

    person_id: PersonId
    leaving_id: str | None
    cause: Cause
    since: datetime
    merged_into: PersonId | None = None

    @property
    def must_give_back(self) -> bool:
        """Whether devices are collected: the person really left, and was not only told of, nor
        is here under another id.
        """
        return self.leaving_id is not None and not self.cause.is_quiet and not self.merged_into

    def is_back_soon(self, now: datetime) -> bool:
        """Whether somebody who comes back now was hardly away: a withdrawal by mistake, undone."""
        return self.leaving_id is not None and now - self.since <= SOON


def follow(
    known: Mapping[PersonId, Presence], steps: Sequence[Joined | Left], *, now: datetime
) -> Sequence[Presence]:
    """The presences that change, when the steps of one district come in the order of the log."""
    present = dict(known)
    for step in steps:
        present[step.person_id] = _after(present.get(step.person_id), step, now)
    return [one for person_id, one in present.items() if one != known.get(person_id)]


def before_each(
    known: Mapping[PersonId, Presence], steps: Sequence[Joined | Left], *, now: datetime
) -> Sequence[Presence | None]:
    """For each step how the person stood just before it; None who was never told of."""
    present, found = dict(known), []
    for step in steps:
        found.append(present.get(step.person_id))
        present[step.person_id] = _after(present.get(step.person_id), step, now)
    return found


def _after(before: Presence | None, step: Joined | Left, now: datetime) -> Presence:
    """A second leaving without a return between is the same leaving: the first keeps its id,
    unless the second says that it was a merge.
    """
    gone = isinstance(step, Left)
    merged_into = step.merged_into if isinstance(step, Left) else None
    same = before is not None and (before.leaving_id is not None) == gone
    if before and same and merged_into in (None, before.merged_into):
        return before
    return Presence(
        person_id=step.person_id,
        leaving_id=step.cause.causation_id if gone else None,
        cause=step.cause,
        since=now,
        merged_into=merged_into,
    )
