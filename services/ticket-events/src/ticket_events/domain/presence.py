"""Whether a person is here or has left, as `roster.lifecycle` tells it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ticket_events.domain.cause import Cause
from ticket_events.domain.device_request import Joined, Left
from ticket_events.domain.ids import PersonId


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


def follow(
    known: Mapping[PersonId, Presence], steps: Sequence[Joined | Left], *, now: datetime
) -> Sequence[Presence]:
    """The presences that change, when the steps of one district come in the order of the log.

    A second leaving without a return between is the same leaving: the first keeps its id, unless
    the second says that it was a merge.
    """
    present = dict(known)
    for step in steps:
        before = present.get(step.person_id)
        gone = isinstance(step, Left)
        merged_into = step.merged_into if isinstance(step, Left) else None
        known_already = before is not None and (before.leaving_id is not None) == gone
        if known_already and before and merged_into in (None, before.merged_into):
            continue
        present[step.person_id] = Presence(
            person_id=step.person_id,
            leaving_id=step.cause.causation_id if gone else None,
            cause=step.cause,
            since=now,
            merged_into=merged_into,
        )
    return [one for person_id, one in present.items() if one != known.get(person_id)]
