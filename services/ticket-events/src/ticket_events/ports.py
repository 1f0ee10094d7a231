"""What this service needs from outside, as Protocols, and the shape of a desk.

A desk's room (desks/<desk>/) takes `DeskSpec` from here, never from `desks/` itself. Imports the
domain and the roads of failure only. Stores speak within one transaction; nothing here commits
but leaving `Units.begin`.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from ticket_events.domain.cause import Cause
from ticket_events.domain.collection import Collection
from ticket_events.domain.delivery import Delivery, DeliveryEnd, Incoming, StoredDelivery
from ticket_events.domain.device import AssetFact, Device
from ticket_events.domain.device_request import DeviceRequest, Left
from ticket_events.domain.ids import DeviceId, DistrictId, PersonId
from ticket_events.domain.imports import FileReport
from ticket_events.domain.person import KnownPerson
from ticket_events.domain.presence import Presence
from ticket_events.domain.ticket import Measure, Ticket, TicketFact

Work: TypeAlias = Literal["import", "accept", "apply"]


class DeskReader(Protocol):
    """How one kind of desk signs and words its webhooks. Pure."""

    def is_secret(self, text: str) -> bool:
        """Whether a secret has the form this desk needs."""
        ...

    def verify(
        self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime
    ) -> str:
        """The sender's id of the delivery. Raises `NotVerified`."""
        ...

    def read(self, body: bytes) -> Incoming:
        """What the body says. Raises `Invalid` naming the field."""
        ...

    def essence(self, body: bytes) -> bytes:
        """The body without everything we do not keep; `read` takes it too. Raises `Invalid`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSpec:
    """What a desk's room offers."""

    kind: str
    title: str
    reader: DeskReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One configured desk. `time_zone` is the district's, for business hours."""

    desk_id: str
    district_id: DistrictId
    secrets: Sequence[str]
    time_zone: str
    reader: DeskReader


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketNews:
    """A new fact of a ticket, with the ids of ours that it is about, where we know them."""

    district_id: DistrictId
    fact: TicketFact
    requester_id: str | None
    device_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureNews:
    """A duration told for the first time, or corrected by a late fact."""

    district_id: DistrictId
    measure: Measure


News: TypeAlias = DeviceRequest | AssetFact | TicketNews | MeasureNews


class People(Protocol):
    """Persons as the roster last told them."""

    async def put(self, persons: Sequence[KnownPerson], *, now: datetime) -> int:
        """Store; returns how many changed. One entry per person."""
        ...

    async def erase(self, persons: Sequence[tuple[DistrictId, PersonId]]) -> None:
        """Forget them; whether they left stays known."""
        ...

    async def schools(
        self, district_id: DistrictId, person_ids: Sequence[PersonId]
    ) -> Mapping[PersonId, str]:
        """The school of each person that has one."""
        ...

    async def known(self, district_id: DistrictId, refs: Sequence[str]) -> frozenset[str]:
        """Those of `refs` that are ids of persons."""
        ...

    async def presences(
        self, district_id: DistrictId, person_ids: Sequence[PersonId]
    ) -> Mapping[PersonId, Presence]:
        """Who is here and who left, as far as anything was told."""
        ...

    async def survivors(
        self, district_id: DistrictId, refs: Sequence[str]
    ) -> Mapping[str, PersonId]:
        """For those of `refs` that are ids ended in a merge: the id that stands for each now."""
        ...

    async def put_presences(self, district_id: DistrictId, changed: Sequence[Presence]) -> None:
        """Store; the newest word counts."""
        ...


class Requests(Protocol):
    """Device requests."""

    async def add(self, requests: Sequence[DeviceRequest]) -> Sequence[DeviceRequest]:
        """Store those that are new: no second one per causing event, no second open per person."""
        ...

    async def cancel(self, left: Sequence[Left]) -> int:
        """Cancel open requests of people who left; returns how many."""
        ...

    async def cancelled_by(
        self, district_id: DistrictId, left: Sequence[Presence]
    ) -> frozenset[PersonId]:
        """Those whose own request ended with just this leaving."""
        ...

    async def fulfil(
        self, district_id: DistrictId, person_ids: Sequence[PersonId], *, cause: Cause
    ) -> int:
        """End open requests of people who have a device now; returns how many."""
        ...

    async def take_over(
        self, district_id: DistrictId, ended: PersonId, survivor: PersonId, *, cause: Cause
    ) -> Sequence[DeviceRequest]:
        """Move the open request of an ended id, if any, and return it as it is now; where the
        survivor has an open one, the ended id's is cancelled instead.
        """
        ...


class Devices(Protocol):
    """Devices and what happened to them."""

    async def by_tag(
        self, district_id: DistrictId, asset_tags: Sequence[str]
    ) -> Mapping[str, Device]:
        """Devices by their tag."""
        ...

    async def tags_of_serials(
        self, district_id: DistrictId, serials: Sequence[str]
    ) -> Mapping[str, str]:
        """Asset tag by serial number."""
        ...

    async def by_ref(self, district_id: DistrictId, refs: Sequence[str]) -> Mapping[str, DeviceId]:
        """Our id for each ref that is one, or is an asset tag."""
        ...

    async def holders(
        self, district_id: DistrictId, person_ids: Sequence[PersonId]
    ) -> frozenset[PersonId]:
        """Those of them who have a device in hand."""
        ...

    async def put(self, devices: Sequence[Device], *, correlation_id: str, now: datetime) -> None:
        """Store whole devices."""
        ...

    async def add_facts(self, facts: Sequence[AssetFact]) -> None:
        """Keep what happened."""
        ...

    async def count_unknown_holders(self, district_id: DistrictId) -> int:
        """Devices whose holder the roster never told of."""
        ...

    async def add_file(
        self,
        district_id: DistrictId,
        file_id: str,
        report: FileReport,
        *,
        correlation_id: str,
        now: datetime,
    ) -> None:
        """Keep that a file was taken."""
        ...


class Collections(Protocol):
    """Collection tasks."""

    async def around(
        self,
        district_id: DistrictId,
        *,
        device_ids: Sequence[DeviceId],
        person_ids: Sequence[PersonId],
    ) -> tuple[Sequence[Device], Sequence[Collection]]:
        """The devices named, held or to be collected by the persons named, and all their tasks."""
        ...

    async def put(self, district_id: DistrictId, collections: Sequence[Collection]) -> None:
        """Store."""
        ...


class Tickets(Protocol):
    """Tickets, their facts and what was measured."""

    async def add_facts(
        self, district_id: DistrictId, facts: Sequence[TicketFact], *, now: datetime
    ) -> frozenset[tuple[str, str, str]]:
        """Store; returns (desk, ticket, key) of those that are new."""
        ...

    async def facts(
        self, district_id: DistrictId, tickets: Sequence[tuple[str, str]]
    ) -> Sequence[TicketFact]:
        """All facts of the tickets (desk, ticket), in any order."""
        ...

    async def put(self, district_id: DistrictId, tickets: Sequence[Ticket]) -> None:
        """Store."""
        ...

    async def put_measures(
        self, district_id: DistrictId, measures: Sequence[Measure]
    ) -> Sequence[Measure]:
        """Store; returns those that are new or say something else now."""
        ...

    async def take_over(self, district_id: DistrictId, survivors: Mapping[str, PersonId]) -> None:
        """Open tickets of ended ids are the survivors' from now on; their facts stay as told."""
        ...


class Deliveries(Protocol):
    """The inbox of desks."""

    async def put(self, delivery: Delivery) -> StoredDelivery:
        """Keep it once per desk and sender's id."""
        ...

    async def waiting(self, desk: Desk, *, limit: int) -> Sequence[Delivery]:
        """The oldest that wait."""
        ...

    async def finish(
        self, district_id: DistrictId, ends: Sequence[DeliveryEnd], *, now: datetime
    ) -> None:
        """Mark them as done with."""
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

    @property
    def devices(self) -> Devices:
        """Devices."""
        ...

    @property
    def collections(self) -> Collections:
        """Collection tasks."""
        ...

    @property
    def tickets(self) -> Tickets:
        """Tickets."""
        ...

    @property
    def deliveries(self) -> Deliveries:
        """The inbox."""
        ...

    async def lock_district(self, district_id: DistrictId) -> None:
        """Let nobody else change devices, people or tickets of the district until the end."""
        ...

    async def emit(self, news: Sequence[News]) -> None:
        """Tell others, in this order, if and only if this transaction commits."""
        ...


class Units(Protocol):
    """Opens transactions."""

    def begin(self, work: Work) -> AbstractAsyncContextManager[Unit]:
        """Commits when the block ends well, rolls back when it raises."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPage:
    """A part of the rows that match, ready to be sent, and how many match in all."""

    rows: Sequence[Mapping[str, Any]]
    total: int


class Views(Protocol):
    """Reads for operators' pages: ids, codes and counts. `districts` None means every district."""

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


class DeviceViews(Protocol):
    """Devices for operators' pages: ids and codes. `districts` None means every district."""

    async def devices(
        self,
        *,
        districts: Sequence[str] | None,
        holder: str | None,
        site: str | None,
        state: str | None,
        limit: int,
        offset: int,
    ) -> RowPage:
        """By district and asset tag."""
        ...

    async def device(
        self, device_id: str, *, districts: Sequence[str] | None
    ) -> Mapping[str, Any] | None:
        """One device with its history, oldest first."""
        ...

    async def knows(self, district_id: DistrictId) -> bool:
        """Whether a desk is configured for the district or the roster told of anybody in it."""
        ...


class TicketViews(Protocol):
    """Tickets for operators' pages: ids, codes and counts. `districts` None means every one."""

    async def tickets(
        self, *, districts: Sequence[str] | None, state: str | None, limit: int, offset: int
    ) -> RowPage:
        """Newest change first."""
        ...

    async def metrics(
        self,
        *,
        districts: Sequence[str] | None,
        since: datetime,
        until: datetime,
        by: str | None,
    ) -> Mapping[str, Any]:
        """Counts and durations of a period, `until` outside; `by` a column, `day`, or None."""
        ...
