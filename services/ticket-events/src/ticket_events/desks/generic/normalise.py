"""From the generic envelope to a fact of a ticket. Pure."""

from datetime import UTC, datetime
from typing import Final

from roster_common.errors import Invalid
from ticket_events.desks.generic.wire import Envelope
from ticket_events.domain.delivery import Incoming
from ticket_events.domain.ticket import TicketHappening, Traits

_PREFIX: Final = "ticket."


def to_incoming(envelope: Envelope) -> Incoming:
    """What the envelope says. Raises `Invalid` with the path from the body's root."""
    happening = _happening(envelope.type)
    ticket, comment = envelope.ticket, envelope.comment
    if happening is TicketHappening.COMMENT_ADDED and comment is None:
        raise Invalid("missing", field="comment")
    if happening is TicketHappening.STATUS_CHANGED and ticket.status is None:
        raise Invalid("missing", field="ticket.status")
    if happening is TicketHappening.MERGED and ticket.mergedInto is None:
        raise Invalid("missing", field="ticket.mergedInto")
    return Incoming(
        ticket_id=ticket.id,
        happening=happening,
        occurred_at=_in_utc(envelope.occurredAt),
        sequence=envelope.sequence,
        traits=Traits(
            status=ticket.status,
            priority=ticket.priority,
            category=ticket.category,
            site_id=ticket.site,
            requester=ticket.requester,
            device=ticket.device,
            group_id=ticket.group,
            assignee_id=ticket.assignee,
            channel=ticket.channel,
        ),
        public=None if comment is None else comment.public,
        by_agent=None if comment is None else comment.byAgent,
        into_ticket_id=ticket.mergedInto,
    )


def _happening(kind: str) -> TicketHappening:
    if not kind.startswith(_PREFIX):
        raise Invalid("unknown_type", field="type")
    try:
        return TicketHappening(kind.removeprefix(_PREFIX))
    except ValueError:
        raise Invalid("unknown_type", field="type") from None


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # the first and the last hours of the calendar, in a zone
        raise Invalid("out_of_range", field="occurredAt") from None
