"""Our facts -> events of the registry."""

from collections.abc import Mapping
from typing import Protocol, get_args

from roster_common.contracts.asset_v1 import AssetRequested
from roster_common.contracts.envelope import Event, EventData, Origin
from roster_common.errors import Fatal
from ticket_events.domain.device_request import DeviceRequest

_ORIGINS: Mapping[str, Origin] = {origin: origin for origin in get_args(Origin)}


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


class RequestToEvent:
    """Callable that maps a request; raises Fatal for an origin that no event may have."""

    def __init__(self, new_event: NewEvent) -> None:
        self._new_event = new_event

    def __call__(self, request: DeviceRequest) -> Event:
        """The event that asks for the device."""
        origin = _ORIGINS.get(request.cause.origin)
        if origin is None:
            raise Fatal("an origin is none of the contract's")
        data = AssetRequested(
            request_id=request.request_id,
            person_id=request.person_id,
            school_id=request.school_id,
            role=request.role,
            reason=request.reason,
        )
        return self._new_event(
            data,
            district_id=request.district_id,
            origin=origin,
            correlation_id=request.cause.correlation_id,
            causation_id=request.cause.causation_id,
        )
