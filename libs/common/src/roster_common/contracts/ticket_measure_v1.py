"""`k12.ticket.metric.*.v1` and `k12.ticket.sla.*.v1`: how long a ticket took. On `tickets`."""

from roster_common.contracts.envelope import EventData
from roster_common.contracts.values import Count, Moment, Text


class TicketMeasure(EventData):
    """Base of all; minutes by the calendar and by the hours of `schedule_id`.

    `instance_id` counts rounds: a reopened ticket is measured again. The same round told again
    replaces what was told of it: a fact came late.
    """

    TOPIC = "tickets"

    desk: Text
    ticket_id: Text
    occurred_at: Moment
    instance_id: Count = 0
    schedule_id: Text | None = None

    def entity_key(self) -> str:
        """`ticket/{desk}/{ticketId}`."""
        return f"ticket/{self.desk}/{self.ticket_id}"


class TicketDuration(TicketMeasure):
    """Base of the three durations."""

    minutes_calendar: Count
    minutes_business: Count


class TicketFirstReply(TicketDuration):
    """From creation to the first public comment of an agent."""

    TYPE = "k12.ticket.metric.first_reply.v1"


class TicketFirstResolution(TicketDuration):
    """From creation to the first time solved."""

    TYPE = "k12.ticket.metric.first_resolution.v1"


class TicketFullResolution(TicketDuration):
    """From creation to the last time solved."""

    TYPE = "k12.ticket.metric.full_resolution.v1"


class TicketSla(TicketMeasure):
    """Base of the three; `target_minutes` is what the policy allows for `measure`."""

    measure: Text
    policy_id: Text | None = None
    target_minutes: Count | None = None
    in_business_hours: bool | None = None


class TicketSlaApplied(TicketSla):
    """A target holds for the ticket."""

    TYPE = "k12.ticket.sla.applied.v1"


class TicketSlaBreached(TicketSla):
    """The target passed unmet."""

    TYPE = "k12.ticket.sla.breached.v1"


class TicketSlaFulfilled(TicketSla):
    """The target was met."""

    TYPE = "k12.ticket.sla.fulfilled.v1"
