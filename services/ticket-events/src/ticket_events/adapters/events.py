"""Our facts -> events of the registry."""

from collections.abc import Mapping
from typing import Any, Protocol, assert_never, get_args

from roster_common.contracts import asset_v1, ticket_measure_v1, ticket_v1
from roster_common.contracts.asset_v1 import AssetRequested
from roster_common.contracts.envelope import Event, EventData, Origin
from roster_common.errors import Fatal
from ticket_events.domain.cause import Cause
from ticket_events.domain.device import AssetFact, Happening
from ticket_events.domain.device_request import DeviceRequest
from ticket_events.domain.hours import SCHEDULE_ID
from ticket_events.domain.ticket import MeasureKind, TicketHappening
from ticket_events.ports import MeasureNews, News, TicketNews

_ORIGINS: Mapping[str, Origin] = {origin: origin for origin in get_args(Origin)}
_INVENTORY = "inventory"
_ASSETS: Mapping[Happening, type[asset_v1.AssetFact]] = {
    Happening.REGISTERED: asset_v1.AssetRegistered,
    Happening.ASSIGNED: asset_v1.AssetAssigned,
    Happening.CHECKED_OUT: asset_v1.AssetCheckedOut,
    Happening.RETURNED: asset_v1.AssetReturned,
    Happening.MOVED: asset_v1.AssetMoved,
    Happening.REPAIR_OPENED: asset_v1.AssetRepairOpened,
    Happening.REPAIR_CLOSED: asset_v1.AssetRepairClosed,
    Happening.LOST: asset_v1.AssetLost,
    Happening.STOLEN: asset_v1.AssetStolen,
    Happening.DAMAGED: asset_v1.AssetDamaged,
    Happening.FOUND: asset_v1.AssetFound,
    Happening.RETIRED: asset_v1.AssetRetired,
    Happening.COLLECTION_REQUESTED: asset_v1.AssetCollectionRequested,
}
_MEASURES: Mapping[MeasureKind, type[ticket_measure_v1.TicketDuration]] = {
    MeasureKind.FIRST_REPLY: ticket_measure_v1.TicketFirstReply,
    MeasureKind.FIRST_RESOLUTION: ticket_measure_v1.TicketFirstResolution,
    MeasureKind.FULL_RESOLUTION: ticket_measure_v1.TicketFullResolution,
}


class NewEvent(Protocol):
    """Puts an envelope around a body: fresh id, time, source, trace."""

    def __call__(
        self,
        data: EventData,
        *,
        district_id: str,
        origin: Origin,
        correlation_id: str,
        causation_id: str | None = None,
    ) -> Event:
        """Return the event, ready to emit."""
        ...


class NewsToEvent:
    """Callable that maps news; raises Fatal for an origin that no event may have."""

    def __init__(self, new_event: NewEvent) -> None:
        self._new_event = new_event

    def __call__(self, news: News) -> Event:
        """The event that tells it."""
        match news:
            case DeviceRequest():
                return self._event(_request(news), news.district_id, news.cause)
            case AssetFact():
                return self._event(_asset(news), news.device.district_id, news.cause)
            case TicketNews():
                return self._event(_ticket(news), news.district_id, news.fact.cause)
            case MeasureNews():
                return self._event(_measure(news), news.district_id, news.measure.cause)
            case _:
                assert_never(news)

    def _event(self, data: EventData, district_id: str, cause: Cause) -> Event:
        origin = _ORIGINS.get(cause.origin)
        if origin is None:
            raise Fatal("an origin is none of the contract's")
        return self._new_event(
            data,
            district_id=district_id,
            origin=origin,
            correlation_id=cause.correlation_id,
            causation_id=cause.causation_id,
        )


def _request(request: DeviceRequest) -> EventData:
    return AssetRequested(
        request_id=request.request_id,
        person_id=request.person_id,
        school_id=request.school_id,
        role=request.role,
        reason=request.reason,
    )


def _asset(fact: AssetFact) -> EventData:
    device = fact.device
    return _ASSETS[fact.happening](
        device_id=device.device_id,
        occurred_at=fact.at,
        source=_INVENTORY,
        serial=device.serial,
        asset_tag=device.asset_tag,
        model=device.model,
        holder_person_id=fact.holder_id,
        site_id=device.site_id,
        ticket_id=fact.ticket_id,
        funding_source=device.funding_source,
    )


def _ticket(news: TicketNews) -> EventData:
    fact, traits = news.fact, news.fact.traits
    common: dict[str, Any] = {
        "desk": fact.desk,
        "ticket_id": fact.ticket_id,
        "occurred_at": fact.occurred_at,
        "sequence_id": fact.sequence,
        "channel": traits.channel,
        "site_id": traits.site_id,
        "category": traits.category,
        "priority": traits.priority,
        "requester_person_id": news.requester_id,
        "device_id": news.device_id,
    }
    match fact.happening:
        case TicketHappening.CREATED:
            return ticket_v1.TicketCreated(**common, status_to=traits.status)
        case TicketHappening.STATUS_CHANGED:
            return ticket_v1.TicketStatusChanged(**common, status_to=traits.status or "")
        case TicketHappening.ASSIGNED:
            return ticket_v1.TicketAssigned(
                **common, group_id=traits.group_id, assignee_id=traits.assignee_id
            )
        case TicketHappening.COMMENT_ADDED:
            return ticket_v1.TicketCommentAdded(
                **common, public=bool(fact.public), by_agent=fact.by_agent
            )
        case TicketHappening.SOLVED:
            return ticket_v1.TicketSolved(**common)
        case TicketHappening.REOPENED:
            return ticket_v1.TicketReopened(**common)
        case TicketHappening.CLOSED:
            return ticket_v1.TicketClosed(**common)
        case TicketHappening.MERGED:
            return ticket_v1.TicketMerged(**common, into_ticket_id=fact.into_ticket_id or "")
        case TicketHappening.DELETED:
            return ticket_v1.TicketDeleted(**common)
        case _:
            assert_never(fact.happening)


def _measure(news: MeasureNews) -> EventData:
    measure = news.measure
    return _MEASURES[measure.kind](
        desk=measure.desk,
        ticket_id=measure.ticket_id,
        occurred_at=measure.at,
        instance_id=measure.instance,
        schedule_id=SCHEDULE_ID,
        minutes_calendar=measure.minutes.calendar,
        minutes_business=measure.minutes.business,
    )
