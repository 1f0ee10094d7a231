"""Bodies of the operators' pages: ids, no names."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from ticket_events.domain.device_request import DeviceRequest
from ticket_events.ports import DistrictCounts


class Body(BaseModel):
    """Base: camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class DeviceRequestBody(Body):
    """One request; `state` is open, fulfilled or cancelled."""

    request_id: str
    district: str
    person_id: str
    school_id: str | None
    role: str
    reason: str
    state: str
    requested_at: datetime
    correlation_id: str
    causation_id: str | None
    origin: str


class DeviceRequestsBody(Body):
    """A page of requests, newest first; `total` counts all that match."""

    total: int
    device_requests: list[DeviceRequestBody]


class DistrictBody(Body):
    """One district in numbers."""

    district: str
    persons: int
    device_requests: dict[str, int]


class StatusBody(Body):
    """All districts in numbers."""

    districts: list[DistrictBody]


def request_body(request: DeviceRequest) -> DeviceRequestBody:
    """The body for one request."""
    return DeviceRequestBody(
        request_id=request.request_id,
        district=request.district_id,
        person_id=request.person_id,
        school_id=request.school_id,
        role=request.role,
        reason=request.reason,
        state=request.state.value,
        requested_at=request.requested_at,
        correlation_id=request.cause.correlation_id,
        causation_id=request.cause.causation_id,
        origin=request.cause.origin,
    )


def district_body(counts: DistrictCounts) -> DistrictBody:
    """The body for one district's numbers."""
    return DistrictBody(
        district=counts.district_id,
        persons=counts.persons,
        device_requests=dict(counts.requests),
    )
