"""What this service needs from outside, as Protocols. Imports the domain only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ticket_events.domain.device_request import DeviceRequest, Left
from ticket_events.domain.ids import DistrictId, PersonId
from ticket_events.domain.person import KnownPerson


class People(Protocol):
    """Persons as the roster last told them."""

    async def put(self, persons: Sequence[KnownPerson], *, now: datetime) -> int:
        """Store; returns how many changed. One entry per person."""
        ...

    async def erase(self, persons: Sequence[tuple[DistrictId, PersonId]]) -> None:
        """Forget them."""
        ...

    async def schools(
        self, persons: Sequence[tuple[DistrictId, PersonId]]
    ) -> Mapping[tuple[DistrictId, PersonId], str]:
        """The school of each person that has one."""
        ...


class Requests(Protocol):
    """Device requests."""

    async def add(self, requests: Sequence[DeviceRequest]) -> Sequence[DeviceRequest]:
        """Store those that are new: no second one per causing event, no second open per person."""
        ...

    async def cancel(self, left: Sequence[Left]) -> int:
        """Cancel open requests of people who left; returns how many."""
        ...


class Unit(Protocol):
    """One transaction."""

    @property
    def people(self) -> People:
        """Persons."""
        ...

    @property
    def requests(self) -> Requests:
        """Device requests."""
        ...

    def emit(self, request: DeviceRequest) -> None:
        """Tell others that a device is wanted, if and only if this transaction commits."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPage:
    """A part of the requests that match, newest first, and how many match in all."""

    requests: Sequence[DeviceRequest]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DistrictCounts:
    """One district in numbers."""

    district_id: DistrictId
    persons: int
    requests: Mapping[str, int]


class Views(Protocol):
    """Reads for operators' pages. `districts` None means every district."""

    async def requests(
        self,
        *,
        districts: Sequence[str] | None,
        person_id: str | None,
        limit: int,
        offset: int,
    ) -> RequestPage:
        """Newest first."""
        ...

    async def counts(self, *, districts: Sequence[str] | None) -> Sequence[DistrictCounts]:
        """One entry per district, sorted."""
        ...
