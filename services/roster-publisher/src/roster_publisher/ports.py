"""What this service needs from outside, as Protocols over domain types. Imports domain only."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from roster_publisher.domain.access import AccessToken, Client, Grant
from roster_publisher.domain.causes import CauseLine
from roster_publisher.domain.class_moves import Attended, ClassMove
from roster_publisher.domain.fragments import Fragments
from roster_publisher.domain.lifecycle import Standing, Step
from roster_publisher.domain.names import Allocated, Held
from roster_publisher.domain.people import Class, OrgFacts, Person, PersonFacts
from roster_publisher.domain.publication import Cause, Change, Draft, Stored
from roster_publisher.domain.queries import CollectionQuery, Page, Pull
from roster_publisher.domain.records import Key, Record, Status
from roster_publisher.domain.views import Stay


@dataclass(frozen=True, slots=True, kw_only=True)
class DistrictState:
    """Where a district's publication stands; held locked by who is about to publish."""

    revision: int
    stamp: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One record to publish: its draft, its texts, its scopes, and what it replaces."""

    draft: Draft
    fragments: Fragments
    scope_ids: frozenset[str]
    before: Stored | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedUser:
    """A shown user as the SIS said it, without allocated names."""

    person_id: str
    status: Status
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """A shown user whose names alone change; of `fragments`, base, contact and identifiers."""

    person_id: str
    fragments: Fragments
    cause: Cause


class Clock(Protocol):
    """Wall clock."""

    def now(self) -> datetime:
        """Current instant, aware, UTC."""
        ...


class RosterUnit(Protocol):
    """The roster store inside one open transaction. Nothing here commits."""

    async def lock_district(self, district_id: str) -> DistrictState:
        """Lock the district's revision row until the transaction ends; made at first use."""
        ...

    async def stored(
        self, district_id: str, keys: Collection[Key], *, with_record: Collection[Key]
    ) -> Mapping[Key, Stored]:
        """What is held of `keys`; the unseen are left out.

        `record` is filled only for `with_record`: as published, or as it waits if never shown.
        """
        ...

    async def newest(self, district_id: str, keys: Iterable[Key]) -> Mapping[Key, Stored]:
        """What is held of `keys` with the newest record, published or still waiting."""
        ...

    async def shown(self, district_id: str, keys: Iterable[Key]) -> frozenset[Key]:
        """Those of `keys` that are published."""
        ...

    async def waiting_for(self, district_id: str, targets: Iterable[Key]) -> frozenset[Key]:
        """Records with a dangling reference to one of `targets`."""
        ...

    async def publish(
        self,
        district_id: str,
        publications: Sequence[Publication],
        *,
        revision: int,
        stamp: datetime,
    ) -> None:
        """Write the records at `revision`; what they replace goes to history; scopes follow."""
        ...

    async def allocated(self, district_id: str, ids: Collection[str]) -> Mapping[str, Held]:
        """What targets allocated to the people `ids`, by person and target."""
        ...

    async def keep_allocated(self, district_id: str, told: Sequence[Allocated]) -> None:
        """Store each as what its target says from now on."""
        ...

    async def published_users(
        self, district_id: str, ids: Sequence[str]
    ) -> Mapping[str, PublishedUser]:
        """Shown users among `ids`, as published."""
        ...

    async def rename(
        self, district_id: str, renamed: Sequence[Renamed], *, revision: int, stamp: datetime
    ) -> None:
        """Publish the names at `revision`; what waits to replace a user keeps waiting."""
        ...

    async def keep_causes(
        self, district_id: str, lines: Sequence[CauseLine], *, revision: int, at: datetime
    ) -> None:
        """Keep what the commit did, by correlation id."""
        ...

    async def park(self, district_id: str, drafts: Sequence[Draft]) -> None:
        """Keep drafts that cannot be shown yet; what was published before them stays."""
        ...

    async def confirm(self, district_id: str, times: Mapping[Key, datetime]) -> None:
        """Keep when records were last said to be as they are, so that what is older is late."""
        ...

    async def replace_dangling(
        self, district_id: str, sources: Iterable[Key], pairs: Sequence[tuple[Key, Key]]
    ) -> None:
        """Make `pairs` (target, source) the only dangling references of `sources`."""
        ...

    async def mark_dirty(
        self, district_id: str, publications: Sequence[Publication], *, now: datetime
    ) -> None:
        """Mark every person and class whose state the publications may change."""
        ...

    async def mark_merged(
        self, district_id: str, merged: Sequence[Change], *, now: datetime
    ) -> None:
        """Mark the people whose ids ended, with the ids that stand for them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtyMark:
    """A person or class whose state must be worked out again, and why.

    `merged_into` is the id that stands for a person whose own id ended.
    """

    id: str
    cause: Cause
    force: bool
    merged_into: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonHeld:
    """What was concluded about a person last; `left_cause` is why somebody is settling."""

    state_hash: bytes | None
    standing: Standing
    left_cause: Cause | None
    attended: Attended


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonConclusion:
    """What is to be kept of a person from now on.

    `emitted` is the cause of a state emitted now, `stepped` that of a step taken now; None leaves
    what was kept of the last one.
    """

    person_id: str
    state_hash: bytes
    standing: Standing
    left_cause: Cause | None
    next_date: date | None
    attended: Attended
    emitted: Cause | None
    step: str | None
    stepped: Cause | None


class StateUnit(Protocol):
    """Derived states inside one open transaction. Nothing here commits."""

    async def claim_people(self, *, now: datetime, limit: int) -> tuple[str, Sequence[DirtyMark]]:
        """Take up to `limit` ready people of one district out of the queue, live ones first."""
        ...

    async def claim_classes(self, *, now: datetime, limit: int) -> tuple[str, Sequence[DirtyMark]]:
        """Take up to `limit` ready classes of one district out of the queue."""
        ...

    async def revision(self, district_id: str) -> int:
        """The district's published revision."""
        ...

    async def people(self, district_id: str, ids: Sequence[str]) -> Sequence[PersonFacts]:
        """Shown users among `ids` with their active enrolments."""
        ...

    async def orgs(self, district_id: str, ids: Iterable[str]) -> Mapping[str, OrgFacts]:
        """Shown orgs among `ids`."""
        ...

    async def held(self, district_id: str, ids: Sequence[str]) -> Mapping[str, PersonHeld]:
        """What was concluded about `ids` last."""
        ...

    async def keep_people(
        self,
        district_id: str,
        conclusions: Sequence[PersonConclusion],
        *,
        revision: int,
        now: datetime,
    ) -> None:
        """Store conclusions, one per person."""
        ...

    async def classes(self, district_id: str, ids: Sequence[str]) -> Sequence[Class]:
        """State of the shown classes among `ids`."""
        ...

    async def class_hashes(self, district_id: str, ids: Sequence[str]) -> Mapping[str, bytes]:
        """Hash of the state emitted last, per class."""
        ...

    async def keep_causes(
        self, district_id: str, lines: Sequence[CauseLine], *, revision: int, at: datetime
    ) -> None:
        """Keep what the commit did, by correlation id."""
        ...

    async def keep_classes(
        self, district_id: str, hashes: Mapping[str, bytes], *, revision: int
    ) -> None:
        """Store the hashes of the states emitted."""
        ...

    def emit_person(self, district_id: str, person: Person, *, revision: int, cause: Cause) -> None:
        """Stage the person's state for the log."""
        ...

    def emit_class(self, district_id: str, state: Class, *, revision: int, cause: Cause) -> None:
        """Stage the class's state for the log."""
        ...

    def emit_step(
        self, district_id: str, person_id: str, step: Step, *, at: datetime, cause: Cause
    ) -> None:
        """Stage a lifecycle fact for the log."""
        ...

    def emit_class_move(
        self, district_id: str, person_id: str, move: ClassMove, *, cause: Cause
    ) -> None:
        """Stage a change of class for the log."""
        ...


class StateUnits(Protocol):
    """Opens transactions on derived states."""

    def begin(self) -> AbstractAsyncContextManager[StateUnit]:
        """A transaction that commits when its block ends well."""
        ...


class DirtyQueue(Protocol):
    """Marks whole groups of people and classes; each call is one transaction and commits."""

    async def mark_all(self, district_id: str, *, correlation_id: str, now: datetime) -> int:
        """Mark every person and class of the district to be emitted again; returns how many."""
        ...

    async def mark_left_due(self, *, now: datetime, correlation_id: str) -> int:
        """Mark people whose settle time is over."""
        ...

    async def mark_dates_due(
        self, district_id: str, *, today: date, now: datetime, correlation_id: str
    ) -> int:
        """Mark people for whom a role or enrolment begins or ends by `today`."""
        ...

    async def districts(self) -> Sequence[str]:
        """Every district that has published something."""
        ...

    def ring(self) -> None:
        """Tell the deriver that there may be work."""
        ...


class Housekeeping(Protocol):
    """Removes what is past its time; each call commits and may run any time, twice."""

    async def purge(
        self, *, now: datetime, keep_history: timedelta, keep_tombstones: timedelta
    ) -> Mapping[str, int]:
        """Raise each district's history floor, delete, then take old tombstones out of the roster;
        returns rows per table. A district whose tombstones fail keeps nothing else waiting.
        """
        ...


class RosterReads(Protocol):
    """Reads for vendors. Bodies are JSON in UTF-8 whose `href`s start with the host mark."""

    async def current_page(self, query: CollectionQuery, *, limit: int) -> Page:
        """The first page of the newest revision, which it names."""
        ...

    async def page_at(
        self, query: CollectionQuery, *, revision: int, after: str, limit: int
    ) -> Page:
        """`limit` rows of `revision` behind the id `after`; the empty id is before all."""
        ...

    async def id_at(
        self, query: CollectionQuery, *, revision: int, after: str, skip: int
    ) -> str | None:
        """The id of the `skip`th row behind `after` at `revision`, or None past the end."""
        ...

    async def total(self, query: CollectionQuery, *, revision: int) -> int:
        """Rows of the query at `revision`."""
        ...

    async def single(self, query: CollectionQuery, sourced_id: str) -> bytes | None:
        """One object, or None where the grant sees none."""
        ...

    async def revisions(self, district_id: str) -> tuple[int, int]:
        """(oldest revision still whole, newest revision)."""
        ...

    async def stays(self, grant: Grant, ids: Iterable[str]) -> Mapping[str, Sequence[Stay]]:
        """When users among `ids` were in a grant's schools; the others are left out."""
        ...


class Pulls(Protocol):
    """Where open pulls survive a restart. Losing the last moments only re-opens a pull."""

    async def load(
        self, district_id: str, client_id: str, query_hash: bytes, *, now: datetime
    ) -> Pull | None:
        """The pull, if it is alive."""
        ...

    def save(self, district_id: str, client_id: str, query_hash: bytes, pull: Pull) -> None:
        """Write it soon."""
        ...


class Vendors(Protocol):
    """Clients, grants and tokens. Each call is its own transaction."""

    async def client(self, client_id: str) -> Client | None:
        """The client with its grant."""
        ...

    async def keep_token(self, token: AccessToken, token_hash: bytes) -> None:
        """Store a token; committed when this returns."""
        ...

    async def token(self, token_hash: bytes, *, now: datetime) -> AccessToken | None:
        """The live token with its grant as it stands now."""
        ...

    async def seed(self, client: Client, *, now: datetime) -> None:
        """Make the client exist as given; may run at every start."""
        ...


class Digests(Protocol):
    """Slow and fast hashes of secrets, and fresh tokens."""

    async def matches(self, secret: str, stored: str) -> bool:
        """Whether `secret` is the one behind `stored`, in constant time."""
        ...

    async def digest(self, secret: str) -> str:
        """What to store of `secret`."""
        ...

    def new_token(self) -> str:
        """256 random bits as text."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """Where a district's publication stands, in ids and counts."""

    district_id: str
    revision: int
    stamp: datetime | None
    objects: Mapping[str, Mapping[str, int]]
    dangling: int
    dirty_people: int
    dirty_classes: int


class StatusReads(Protocol):
    """Counts for operators."""

    async def report(self, district_id: str) -> StatusReport:
        """Counts of one district; zeros for one never heard of."""
        ...
