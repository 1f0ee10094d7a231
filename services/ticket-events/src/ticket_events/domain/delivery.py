"""A delivery of a desk: what was understood of it, and what became of it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ticket_events.domain.ids import DistrictId
from ticket_events.domain.ticket import TicketHappening, Traits


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """What a webhook body says, before it has a desk and a cause: see `ticket.TicketFact`."""

    ticket_id: str
    happening: TicketHappening
    occurred_at: datetime
    traits: Traits
    sequence: int | None
    public: bool | None
    by_agent: bool | None
    into_ticket_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A webhook as it is kept. `external_id` is the sender's own id of it (`webhook-id`)."""

    district_id: DistrictId
    delivery_id: str
    desk: str
    external_id: str
    correlation_id: str
    received_at: datetime
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDelivery:
    """The ids under which a webhook is kept; those of the first when it came again."""

    delivery_id: str
    correlation_id: str
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEnd:
    """How a delivery ended; `outcome` is `applied`, `repeated`, or the reason of a refusal."""

    delivery_id: str
    state: Literal["applied", "refused"]
    outcome: str
