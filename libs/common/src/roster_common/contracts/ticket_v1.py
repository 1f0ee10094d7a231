"""`k12.ticket.*.v1`: what happened to a help-desk ticket. On `tickets`; ids, never its text."""

from roster_common.contracts.envelope import EventData
from roster_common.contracts.values import Count, Moment, SourcedId, Text


class TicketFact(EventData):
    """Base of all; `sequence_id` orders facts of one ticket as the desk does.

    `occurred_at` is the desk's own time, because measures count from there.
    """

    TOPIC = "tickets"

    desk: Text
    ticket_id: Text
    occurred_at: Moment
    sequence_id: Count | None = None
    channel: Text | None = None
    site_id: SourcedId | None = None
    category: Text | None = None
    priority: Text | None = None
    requester_person_id: SourcedId | None = None
    device_id: Text | None = None

    def entity_key(self) -> str:
        """`ticket/{desk}/{ticketId}`."""
        return f"ticket/{self.desk}/{self.ticket_id}"


class TicketCreated(TicketFact):
    """The ticket is new."""

    TYPE = "k12.ticket.created.v1"

    status_to: Text | None = None


class TicketStatusChanged(TicketFact):
    """The ticket went from one status to another."""

    TYPE = "k12.ticket.status_changed.v1"

    status_from: Text | None = None
    status_to: Text


class TicketAssigned(TicketFact):
    """The ticket has another group or agent; ids of the desk."""

    TYPE = "k12.ticket.assigned.v1"

    group_id: Text | None = None
    assignee_id: Text | None = None


class TicketCommentAdded(TicketFact):
    """Somebody wrote; `public` when the requester sees it."""

    TYPE = "k12.ticket.comment_added.v1"

    public: bool
    by_agent: bool | None = None


class TicketSolved(TicketFact):
    """An agent holds the ticket solved."""

    TYPE = "k12.ticket.solved.v1"


class TicketReopened(TicketFact):
    """A solved ticket is open again."""

    TYPE = "k12.ticket.reopened.v1"


class TicketClosed(TicketFact):
    """The ticket can no longer change."""

    TYPE = "k12.ticket.closed.v1"


class TicketMerged(TicketFact):
    """The ticket lives on in another."""

    TYPE = "k12.ticket.merged.v1"

    into_ticket_id: Text


class TicketDeleted(TicketFact):
    """The desk deleted the ticket."""

    TYPE = "k12.ticket.deleted.v1"
