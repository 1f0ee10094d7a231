"""What this service needs from outside its rules: protocols, and the shape of a source.

A vendor room (sources/<sis>/) takes `SourceSpec` from here, never from `sources/` itself.
Imports the domain and the roads of failure only.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from roster_common.errors import Invalid
from sis_ingest.domain.changes import ChangeKey, Known, Write
from sis_ingest.domain.deliveries import Delivery, DeliveryEnd, Incoming, Place
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.events import DomainEvent
from sis_ingest.domain.identity import Meaning, Moved
from sis_ingest.domain.matching import Holder, MatchKeys
from sis_ingest.domain.publish import Resolved, ResolvedKey, Voice
from sis_ingest.domain.references import IdKey
from sis_ingest.domain.runs import Problem, Run
from sis_ingest.domain.snapshots import Chunk, Collection, Sieve, StagedRow


class NotVerified(Invalid):
    """The sender could not be proved: nothing of the delivery is kept."""


class SnapshotRefused(Invalid):
    """The file cannot be used as a whole; `problems` says why, by file, row and column."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems[0].code, field=problems[0].file)
        self.problems = tuple(problems)


class TooLarge(Invalid):
    """More bytes came than the door takes; what was read is thrown away."""


class Clock(Protocol):
    """Wall clock."""

    def now(self) -> datetime:
        """Current instant, aware, UTC."""
        ...


class Ids(Protocol):
    """Where new ids come from."""

    def new_id(self) -> str:
        """A fresh UUIDv7 as text. Safe from several threads."""
        ...


class WebhookReader(Protocol):
    """How one kind of source signs and words its webhooks. Pure."""

    def is_secret(self, text: str) -> bool:
        """Whether `text` can be a secret of this kind at all; asked at the start."""
        ...

    def verify(
        self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime
    ) -> str:
        """The sender's own id of the delivery. `headers` in lower case. Raises `NotVerified`."""
        ...

    def read(self, body: bytes) -> Incoming:
        """What the body says. Raises `Invalid` naming the field, never a value."""
        ...


class OpenSnapshot(Protocol):
    """A snapshot file being read. Blocking: call from a thread."""

    @property
    def collections(self) -> Sequence[Collection]:
        """What it states, in import order."""
        ...

    @property
    def warnings(self) -> Sequence[Problem]:
        """What is odd about it, but bearable."""
        ...

    @property
    def unpacked_bytes(self) -> int:
        """Size of all collections, for progress."""
        ...

    def chunks(self, collection: Collection, *, rows: int) -> Iterator[Chunk]:
        """The rows of one collection, `rows` at a time, never the whole file in memory."""
        ...

    def close(self) -> None:
        """Gives files back. May run twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotLimits:
    """Bounds against archives made to harm."""

    unpacked_bytes: int = 8 * 1024**3
    ratio: float = 200.0
    entries: int = 200


class SnapshotReader(Protocol):
    """How one kind of source words its snapshots."""

    def open(self, path: Path, *, limits: SnapshotLimits) -> OpenSnapshot:
        """Checks the file as a whole. Raises `SnapshotRefused`. Blocking: call from a thread."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """One kind of SIS, as its vendor room describes itself."""

    kind: str
    title: str
    webhook: WebhookReader | None = None
    snapshot: SnapshotReader | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One configured source: what it can do here. Without secrets it takes no webhooks."""

    place: Place
    kind: str
    secrets: tuple[str, ...]
    webhook: WebhookReader | None
    snapshot: SnapshotReader | None


class Sources(Protocol):
    """The configured sources."""

    def get(self, source_id: str) -> Source | None:
        """The source, or None when no such id is configured."""
        ...

    def all(self) -> Iterable[Source]:
        """Every configured source."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A raw file on our disk, synced; `name` is all that the store needs to find it again."""

    name: str
    size_bytes: int
    sha256: str


class SnapshotFiles(Protocol):
    """Raw bulk files."""

    async def store(
        self, name: str, chunks: AsyncIterator[bytes], *, limit_bytes: int
    ) -> StoredFile:
        """Returns when the bytes are on disk for good. Raises `TooLarge`, leaving nothing."""
        ...

    def path(self, name: str) -> Path | None:
        """Where the file is, or None when it is gone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDelivery:
    """The inbox's answer. `fresh` False: this delivery was here before, under these ids."""

    delivery_id: str
    correlation_id: str
    fresh: bool


class Inbox(Protocol):
    """The inbox as the webhook door sees it."""

    async def keep(self, delivery: Delivery) -> StoredDelivery:
        """Keeps a webhook once per (source, external id): durable on return.

        Raises `Retriable` when the store is away; it may or may not stand then, and the sender
        repeats.
        """
        ...


class Deliveries(Protocol):
    """The inbox within a transaction."""

    async def put(self, deliveries: Sequence[Delivery]) -> Sequence[StoredDelivery]:
        """Keeps webhooks once per (source, external id), in this order; one answer for each."""
        ...

    async def put_file(self, run: Run) -> None:
        """Keeps the delivery behind a snapshot run; its bytes are a file."""
        ...

    async def waiting(self, place: Place, *, limit: int) -> Sequence[Delivery]:
        """The oldest webhooks of the source not applied yet, in the order they came."""
        ...

    async def finish(self, place: Place, ends: Sequence[DeliveryEnd], *, now: datetime) -> None:
        """Marks deliveries as done with."""
        ...


class Records(Protocol):
    """What each source said, and the resolved records."""

    async def known(self, place: Place, keys: Sequence[ChangeKey]) -> Mapping[ChangeKey, Known]:
        """What we hold of these records; absent ones are left out."""
        ...

    async def stated_as_of(self, place: Place) -> Mapping[Entity, datetime]:
        """When the source last stated each collection as a whole."""
        ...

    async def write(self, place: Place, writes: Sequence[Write]) -> None:
        """Stores what the source said. A deletion without object keeps the last content."""
        ...

    async def resolved(
        self, district_id: str, keys: Sequence[ResolvedKey]
    ) -> Mapping[ResolvedKey, Resolved]:
        """The resolved records that exist among `keys`."""
        ...

    async def write_resolved(
        self, district_id: str, records: Sequence[Resolved], *, now: datetime
    ) -> None:
        """Stores resolved records, and for each correlation how many it changed.

        The revision of each record goes up by one.
        """
        ...

    async def resolved_after(
        self, district_id: str, after: ResolvedKey | None, *, limit: int
    ) -> Sequence[Resolved]:
        """The next resolved records by key, of the whole district."""
        ...


class Crosswalk(Protocol):
    """Which outside id means which of ours."""

    async def find(self, place: Place, keys: Sequence[IdKey]) -> Mapping[IdKey, str]:
        """Our ids for the source's; unknown ones are left out."""
        ...

    async def taken(self, district_id: str, ids: Sequence[IdKey]) -> frozenset[IdKey]:
        """Which of these ids of ours were ever given out in the district."""
        ...

    async def link(
        self,
        place: Place,
        ids: Mapping[IdKey, str],
        *,
        rules: Mapping[IdKey, str],
        now: datetime,
    ) -> None:
        """Records new meanings; none of the outside ids may have one yet.

        `rules` names the match rule where there was one; else the id rule gave the id.
        """
        ...

    async def shared(self, district_id: str, ids: Sequence[IdKey]) -> frozenset[IdKey]:
        """Which of these ids of ours more than one outside id means today."""
        ...

    async def move(
        self,
        district_id: str,
        space: Entity,
        pairs: Mapping[str, str],
        *,
        match_rule: str,
        decided_by: str,
        now: datetime,
    ) -> Sequence[Moved]:
        """Ends every meaning of the keys of `pairs` and begins the one of its value instead.

        The outside ids that moved. Both meanings stand in the history.
        """
        ...

    async def history(
        self, district_id: str, space: Entity, ids: Sequence[str]
    ) -> Sequence[Meaning]:
        """Every meaning, over time, of each outside id that ever meant one of `ids`."""
        ...


class Voices(Protocol):
    """What stands behind resolved records, and around them."""

    async def behind(self, district_id: str, keys: Sequence[ResolvedKey]) -> Sequence[Voice]:
        """All source records behind these resolved records, live or gone."""
        ...

    async def holders(self, district_id: str, keys: Sequence[MatchKeys]) -> Sequence[Holder]:
        """The people, active or gone, who carry any of these keys."""
        ...

    async def live_users(
        self, place: Place, entity_ids: Sequence[str]
    ) -> Mapping[str, Sequence[str]]:
        """The outside ids of live users of this source behind our ids; absent where none is."""
        ...

    async def retire_users(
        self, place: Place, external_ids: Sequence[str], *, at: datetime, delivery_id: str
    ) -> None:
        """Marks users of the source as gone whose outside id was replaced by another."""
        ...

    async def staged_strangers(self, run: Run, *, after: str, limit: int) -> Sequence[StagedRow]:
        """The next staged users, by outside id, that the source never sent before.

        Empty at once while the district has nobody whom they could be.
        """
        ...

    async def staged_absent(self, run: Run, external_ids: Sequence[str]) -> frozenset[str]:
        """Which of these users the run's list leaves out, or says are gone, as of its moment.

        The list says nothing of records that changed since, nor when a newer one was applied.
        """
        ...

    async def referring(
        self, district_id: str, space: Entity, entity_ids: Sequence[str]
    ) -> Sequence[Resolved]:
        """The live resolved records that refer to any of these ids, by key. Reads many rows."""
        ...


class Runs(Protocol):
    """Snapshot runs."""

    async def add(self, run: Run) -> None:
        """Keeps a new run."""
        ...

    async def save(self, run: Run) -> None:
        """Overwrites what may change of a run."""
        ...

    async def completed_before(self, place: Place) -> bool:
        """Whether a snapshot of this source was ever completed."""
        ...

    async def stated(self, run: Run, entities: Sequence[Entity]) -> None:
        """Remembers that the source stated these collections as a whole, as of `run.as_of`."""
        ...


class Staging(Protocol):
    """The rows of a run while it is compared and applied."""

    async def clear(self, run: Run) -> None:
        """Throws the run's rows away."""
        ...

    async def put(self, run: Run, entity: Entity, rows: Sequence[StagedRow]) -> None:
        """Adds rows."""
        ...

    async def drop_repeated(self, run: Run, entity: Entity) -> Sequence[int]:
        """Drops rows whose id stood in an earlier row; their row numbers, ascending."""
        ...

    async def sieve(self, run: Run, entity: Entity) -> Sieve:
        """Compares by content hash as sets, and forgets the rows that say nothing new."""
        ...

    async def differing(
        self, run: Run, entity: Entity, *, after: tuple[str, int], limit: int
    ) -> Sequence[StagedRow]:
        """The next rows the sieve left, by (sort key, row)."""
        ...


Work: TypeAlias = Literal[
    "accept", "apply", "store_snapshot", "stage", "snapshot_batch", "run", "merge"
]


class Unit(Protocol):
    """One transaction. What it emits stands on the log if and only if it commits."""

    @property
    def deliveries(self) -> Deliveries:
        """The inbox."""
        ...

    @property
    def records(self) -> Records:
        """Source and resolved records."""
        ...

    @property
    def crosswalk(self) -> Crosswalk:
        """Ids."""
        ...

    @property
    def voices(self) -> Voices:
        """What stands behind resolved records."""
        ...

    @property
    def runs(self) -> Runs:
        """Runs."""
        ...

    @property
    def staging(self) -> Staging:
        """Rows of runs."""
        ...

    async def lock_district(self, district_id: str) -> None:
        """Waits until no other unit changes this district's truth; until the end of this one."""
        ...

    def emit(self, event: DomainEvent) -> None:
        """Stages an event."""
        ...


class Units(Protocol):
    """Where transactions come from."""

    def begin(self, work: Work) -> AbstractAsyncContextManager[Unit]:
        """Commits when the block ends well. Raises `Retriable` when the store is away."""
        ...


class CrosswalkDesk(Protocol):
    """Reads of the crosswalk outside any transaction of ours."""

    async def history(
        self, district_id: str, space: Entity, ids: Sequence[str]
    ) -> Sequence[Meaning]:
        """See `Crosswalk.history`."""
        ...


class RunDesk(Protocol):
    """Reads of runs and of the inbox outside any transaction of ours."""

    async def get(self, run_id: str) -> Run | None:
        """The run, or None. `run_id` may be any text."""
        ...

    async def next_open(self, source_ids: Sequence[str]) -> Run | None:
        """The oldest run of these sources that is waiting, or was left running."""
        ...

    async def sources_waiting(self) -> Sequence[str]:
        """Ids of the sources with webhooks not applied yet."""
        ...
