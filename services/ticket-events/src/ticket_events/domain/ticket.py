"""What a desk tells of a ticket, and what all of it together means. Pure.

A ticket is a fold over its facts in the desk's own order, so a late fact can fill a gap but never
undo a newer one, and a repeated fact is the same fact. No subject, comment or name is known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ticket_events.domain.cause import Cause
from ticket_events.domain.hours import Minutes, minutes_between

OUR_DESK: Final = "homeroom"
DEVICE_COLLECTION: Final = "device_collection"


class TicketHappening(StrEnum):
    """What can happen to a ticket; each is an event of the registry."""

    CREATED = "created"
    STATUS_CHANGED = "status_changed"
    ASSIGNED = "assigned"
    COMMENT_ADDED = "comment_added"
    SOLVED = "solved"
    REOPENED = "reopened"
    CLOSED = "closed"
    MERGED = "merged"
    DELETED = "deleted"


class TicketState(StrEnum):
    """Where a ticket stands; `status` beside it is the desk's own word."""

    OPEN = "open"
    SOLVED = "solved"
    CLOSED = "closed"
    MERGED = "merged"
    DELETED = "deleted"


_LEADS_TO: Final = {
    TicketHappening.CREATED: TicketState.OPEN,
    TicketHappening.REOPENED: TicketState.OPEN,
    TicketHappening.SOLVED: TicketState.SOLVED,
    TicketHappening.CLOSED: TicketState.CLOSED,
    TicketHappening.MERGED: TicketState.MERGED,
    TicketHappening.DELETED: TicketState.DELETED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Ids and codes a fact may carry; None says nothing. `requester` and `device` as the desk has
    them: our ids, or ids of its own.
    """

    status: str | None = None
    priority: str | None = None
    category: str | None = None
    site_id: str | None = None
    requester: str | None = None
    device: str | None = None
    group_id: str | None = None
    assignee_id: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketFact:
    """One thing that happened, at the desk's own time. `sequence` is the desk's order, if it has
    one; `public` and `by_agent` belong to comments, `into_ticket_id` to merges.
    """

    desk: str
    ticket_id: str
    happening: TicketHappening
    occurred_at: datetime
    traits: Traits
    cause: Cause
    sequence: int | None = None
    public: bool | None = None
    by_agent: bool | None = None
    into_ticket_id: str | None = None

    @property
    def key(self) -> str:
        """The same for a repetition, different for every other fact of the ticket."""
        place = self.occurred_at.isoformat() if self.sequence is None else f"#{self.sequence}"
        return f"{self.happening.value}/{place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """All facts of one ticket together. Moments are None until they happened."""

    desk: str
    ticket_id: str
    state: TicketState
    traits: Traits
    correlation_id: str
    changed_at: datetime
    created_at: datetime | None = None
    first_reply_at: datetime | None = None
    first_solved_at: datetime | None = None
    last_solved_at: datetime | None = None
    ended_at: datetime | None = None
    reopens: int = 0


class MeasureKind(StrEnum):
    """The three durations of the registry."""

    FIRST_REPLY = "first_reply"
    FIRST_RESOLUTION = "first_resolution"
    FULL_RESOLUTION = "full_resolution"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How long it took. A ticket has one of each kind and `instance`, which counts rounds."""

    desk: str
    ticket_id: str
    kind: MeasureKind
    instance: int
    at: datetime
    minutes: Minutes
    cause: Cause


def in_order(facts: Sequence[TicketFact]) -> Sequence[TicketFact]:
    """By the desk's numbers if all have one, else by its clock; ties by kind, so that every
    order of arrival gives one order.
    """
    if all(fact.sequence is not None for fact in facts):
        return sorted(facts, key=lambda f: (f.sequence or 0, f.occurred_at, f.key))
    kinds = list(TicketHappening)
    return sorted(
        facts, key=lambda f: (f.occurred_at, f.sequence or 0, kinds.index(f.happening), f.key)
    )


def fold(facts: Sequence[TicketFact]) -> Ticket:
    """The ticket that one or more facts make, in any order of arrival."""
    ordered = in_order(facts)
    created_at = first_reply_at = first_solved_at = last_solved_at = ended_at = None
    state, reopens = TicketState.OPEN, 0
    traits = Traits()
    for fact in ordered:
        traits = _newer(traits, fact.traits)
        state = _LEADS_TO.get(fact.happening, state)
        ended_at = None if state is TicketState.OPEN else ended_at or fact.occurred_at
        match fact.happening:
            case TicketHappening.CREATED:
                created_at = created_at or fact.occurred_at
            case TicketHappening.COMMENT_ADDED if fact.public and fact.by_agent:
                first_reply_at = first_reply_at or fact.occurred_at
            case TicketHappening.SOLVED:
                first_solved_at = first_solved_at or fact.occurred_at
                last_solved_at = fact.occurred_at
            case TicketHappening.REOPENED:
                reopens += 1
            case _:
                pass
    last = ordered[-1]
    return Ticket(
        desk=last.desk,
        ticket_id=last.ticket_id,
        state=state,
        traits=traits,
        correlation_id=last.cause.correlation_id,
        changed_at=last.occurred_at,
        created_at=created_at,
        first_reply_at=first_reply_at,
        first_solved_at=first_solved_at,
        last_solved_at=last_solved_at,
        ended_at=ended_at,
        reopens=reopens,
    )


def measures(facts: Sequence[TicketFact], *, time_zone: str) -> Sequence[Measure]:
    """Every duration that can be told by now; none before the creation is known.

    A full resolution is told for each solving: a reopened ticket is measured again. A late fact
    may give another answer for the same instance. Source: the reference of ticket measures (first
    reply is an agent's first public one).
    """
    ordered = in_order(facts)
    created_at = fold(facts).created_at
    if created_at is None:
        return ()
    found: list[Measure] = []

    def add(kind: MeasureKind, instance: int, fact: TicketFact) -> None:
        """Find one duration: from the creation to the fact, in minutes by calendar and by hours."""
        found.append(
            Measure(
                desk=fact.desk,
                ticket_id=fact.ticket_id,
                kind=kind,
                instance=instance,
                at=fact.occurred_at,
                minutes=minutes_between(created_at, fact.occurred_at, time_zone=time_zone),
                cause=fact.cause,
            )
        )

    replies = [f for f in ordered if f.happening is TicketHappening.COMMENT_ADDED]
    replies = [f for f in replies if f.public and f.by_agent]
    solvings = [f for f in ordered if f.happening is TicketHappening.SOLVED]
    if replies:
        add(MeasureKind.FIRST_REPLY, 0, replies[0])
    if solvings:
        add(MeasureKind.FIRST_RESOLUTION, 0, solvings[0])
    for instance, fact in enumerate(solvings):
        add(MeasureKind.FULL_RESOLUTION, instance, fact)
    return found


def _newer(old: Traits, new: Traits) -> Traits:
    return Traits(
        **{
            name: given if (given := getattr(new, name)) is not None else getattr(old, name)
            for name in Traits.__slots__
        }
    )
