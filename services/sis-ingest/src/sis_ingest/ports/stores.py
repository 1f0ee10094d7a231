"""The stores of one transaction: every method runs in the caller's and never commits.

A port of this service like those beside it; imports the domain only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sis_ingest.domain.changes import Change, ChangeKey, Known, Write
from sis_ingest.domain.deliveries import Delivery, DeliveryEnd, Place
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.guards import GuardKey, Hold
from sis_ingest.domain.publish import Resolved, ResolvedKey
from sis_ingest.domain.replays import Replay, Said, Selection
from sis_ingest.domain.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDelivery:
    """The inbox's answer. `fresh` False: this delivery was here before, under these ids."""

    delivery_id: str
    correlation_id: str
    fresh: bool


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """A raw file by its name in the store, and the delivery that it came with."""

    district_id: str
    delivery_id: str
    name: str


class Raw(Protocol):
    """Raw bytes of deliveries that nothing needs any more.

    Needed is what waits, what a run or a replay is to work on, and what caused an item of a hold.
    """

    async def purge_bodies(self, *, before: datetime, now: datetime, limit: int) -> int:
        """Forgets the oldest bodies of webhooks that came `before`; how many."""
        ...

    async def refuse_orphans(
        self, *, before: datetime, now: datetime, sources: Sequence[str]
    ) -> None:
        """Refuses webhooks that came `before` and still wait for a source that is none of these,
        and ends runs that do.
        """
        ...

    async def due_files(self, *, before: datetime, limit: int) -> Sequence[RawFile]:
        """The oldest files that came `before`; no other unit takes them until this one ends."""
        ...

    async def purged(self, files: Sequence[RawFile], *, now: datetime) -> None:
        """Tells that these files are gone."""
        ...

    async def known(self, names: Sequence[str]) -> frozenset[str]:
        """Which of these files a run refers to."""
        ...


class Replays(Protocol):
    """Replays, and the deliveries that they have not said again yet."""

    async def known(self, district_id: str, delivery_ids: Sequence[str]) -> frozenset[str]:
        """Which of these deliveries the district has."""
        ...

    async def add(self, replay: Replay, selection: Selection) -> int:
        """Keeps a new replay of what is selected and done with; how many deliveries that is."""
        ...

    async def save(self, replay: Replay) -> None:
        """Overwrites what may change of a replay."""
        ...

    async def next(self, replay: Replay, *, limit: int) -> Sequence[Said]:
        """The next deliveries, in the order they came. `run` of a file is that of this replay if
        it has begun, else the one that the file came with.
        """
        ...

    async def done(self, replay: Replay, place: int | None) -> None:
        """Takes deliveries off the list, up to a place or all of them."""
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
        """The next resolved records by key that others were told of, of the whole district."""
        ...

    async def living(self, district_id: str, entity: Entity) -> int:
        """How many resolved records others know today. Reads them all."""
        ...

    async def count(self, district_id: str) -> int:
        """How many resolved records a district has, deleted and untold ones too."""
        ...

    async def of_entity(
        self, district_id: str, entity: Entity, *, after: str, limit: int
    ) -> Sequence[Resolved]:
        """The next resolved records of one entity by id, told or not."""
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
        """Whether a snapshot of this source was ever completed, other than one of nothing."""
        ...

    async def stated(self, run: Run, entities: Sequence[Entity]) -> None:
        """Remembers that the source stated these collections as a whole, as of `run.moment`."""
        ...


class Budget(Protocol):
    """What guards let through of a source. The caller has the district's lock."""

    async def spent(
        self, place: Place, *, since: datetime, but_for: str | None = None
    ) -> Mapping[GuardKey, int]:
        """What was let through after `since`, but for what one cause spent."""
        ...

    async def spend(
        self,
        place: Place,
        key: GuardKey,
        count: int,
        *,
        cause_id: str,
        now: datetime,
        window_begins: datetime,
    ) -> None:
        """Sets what a cause spends in all; forgets what was spent before the window."""
        ...

    async def active(self, place: Place, entity: Entity) -> int:
        """Records of the source that are not deleted."""
        ...


class Holds(Protocol):
    """What guards stopped. The caller has the district's lock."""

    async def open(self, place: Place, key: GuardKey) -> Hold | None:
        """The guard's open hold."""
        ...

    async def newest(self, place: Place, key: GuardKey) -> Hold | None:
        """The guard's hold that was opened last, whatever became of it."""
        ...

    async def get(self, district_id: str, hold_id: str) -> Hold | None:
        """A hold, whatever its state."""
        ...

    async def save(self, hold: Hold) -> None:
        """Keeps a hold as it stands now."""
        ...

    async def put(self, hold: Hold, changes: Sequence[Change]) -> None:
        """Adds items; of the same record the newest stays, with its first cause."""
        ...

    async def leave(self, place: Place, writes: Sequence[Write]) -> frozenset[str]:
        """Takes what these overtake out of open holds; ids of the holds that changed."""
        ...

    async def leaving(
        self, place: Place, entity: Entity, external_ids: Sequence[str]
    ) -> frozenset[str]:
        """Which of these records of the source wait to be removed."""
        ...

    async def let_go(
        self, place: Place, entity: Entity, external_ids: Sequence[str]
    ) -> frozenset[str]:
        """Takes these records out of the open hold of removals; ids of the holds that changed."""
        ...

    async def names(self, hold: Hold) -> Sequence[str]:
        """Outside ids of all items, in any order."""
        ...

    async def marks(self, hold: Hold) -> Mapping[str, bytes]:
        """The same with the hash of what each item says."""
        ...

    async def sample(self, hold: Hold) -> tuple[str, ...]:
        """Up to 20 of the items by our id; by the outside id where there is none yet."""
        ...

    async def items(self, hold: Hold, *, limit: int) -> Sequence[Change]:
        """Some items, as the changes they are."""
        ...

    async def drop(self, hold: Hold, names: Sequence[str] | None = None) -> None:
        """Forgets items by outside id; all of them without `names`."""
        ...
