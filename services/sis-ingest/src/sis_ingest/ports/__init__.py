"""What this service needs from outside its rules: protocols, and the shape of a source.

A vendor room (sources/<sis>/) takes `SourceSpec` from here, never from `sources/` itself.
Imports the domain and the roads of failure only.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from roster_common.errors import Invalid
from roster_common.holds import Limit
from sis_ingest.domain.deliveries import Delivery, Hint, Incoming, Knock, Place
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.events import DomainEvent
from sis_ingest.domain.flips import Waiting
from sis_ingest.domain.guards import LIMITS, GuardKey, Hold
from sis_ingest.domain.identity import Decision, Meaning
from sis_ingest.domain.replays import Replay
from sis_ingest.domain.runs import Problem, Run
from sis_ingest.domain.snapshots import Chunk, RawRow, Rows
from sis_ingest.domain.snapshots import Collection as StatedCollection
from sis_ingest.domain.suggestions import Suggestion
from sis_ingest.ports.authority import AuthorityTable
from sis_ingest.ports.drops import TakenFiles
from sis_ingest.ports.identities import Crosswalk, Pairs, Suggestions, Voices
from sis_ingest.ports.pulls import Pulling, Pulls, PullSpec
from sis_ingest.ports.stores import (
    Deliveries,
    Holds,
    Raw,
    Records,
    Replays,
    Runs,
    Staging,
    StoredDelivery,
)


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
    """How one kind of source proves and words its webhooks. Pure."""

    @property
    def by_token(self) -> bool:
        """Whether its senders cannot sign and knock at an unguessable path instead."""
        ...

    @property
    def keeps(self) -> Set[str]:
        """Names of the headers, in lower case, that `read` needs."""
        ...

    def is_secret(self, text: str) -> bool:
        """Whether `text` can be a secret of this kind at all; asked at the start."""
        ...

    def verify(self, knock: Knock, *, secrets: Sequence[str], now: datetime) -> str:
        """The sender's own id of the delivery. Raises `NotVerified`."""
        ...

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[Incoming]:
        """What it says, in its order; nothing, if it is a trial. `headers` are those in `keeps`.

        Raises `Invalid` naming the field, never a value.
        """
        ...


class HintReader(Protocol):
    """How one kind of source words webhooks that only say where to look. Pure.

    Its `WebhookReader.read` tells no change; what the hints name is read from the source anew.
    """

    def hints(self, headers: Mapping[str, str], body: bytes) -> Sequence[Hint]:
        """What to read; nothing, if it is a trial. Raises `Invalid` naming the field."""
        ...


class OpenSnapshot(Protocol):
    """A snapshot file being read. Blocking: call from a thread."""

    @property
    def collections(self) -> Sequence[StatedCollection]:
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

    def chunks(self, collection: StatedCollection, *, rows: int) -> Iterator[Chunk]:
        """The rows of one collection, `rows` at a time, never the whole file in memory."""
        ...

    def read(self, collection: StatedCollection, rows: Sequence[RawRow]) -> Rows:
        """What the rows say: the costly step, spared where a row is known as it stands."""
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
    """One kind of source, as its vendor room describes itself.

    A `supplement` knows people whom no SIS has, and is silent about all others. `snapshot` finds
    out by itself how a file is laid out; `profiles` are readers of one layout each, by name.
    """

    kind: str
    title: str
    webhook: WebhookReader | None = None
    snapshot: SnapshotReader | None = None
    pull: PullSpec | None = None
    hints: HintReader | None = None
    profiles: Mapping[str, SnapshotReader] = field(default_factory=dict)
    supplement: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One configured source: what it can do here. Without secrets it takes no webhooks.

    `pulled` reads what `pulling` brought.
    `limits` are those of its guards, one for each. When it has not been heard of with success for
    `expect_every_s` seconds, readiness says so.
    """

    place: Place
    kind: str
    secrets: tuple[str, ...]
    webhook: WebhookReader | None
    snapshot: SnapshotReader | None
    supplement: bool = False
    pulling: Pulling | None = None
    pulled: SnapshotReader | None = None
    hints: HintReader | None = None
    limits: Mapping[GuardKey, Limit] = field(default_factory=lambda: LIMITS)
    expect_every_s: int | None = None


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

    async def remove(self, name: str) -> None:
        """Removes the file, whole or half written. May run twice."""
        ...

    async def untouched(self, since: datetime) -> Sequence[str]:
        """Names of the files, whole or half written, that were last written before `since`."""
        ...


class Inbox(Protocol):
    """The inbox as the webhook door sees it."""

    async def keep(self, delivery: Delivery) -> StoredDelivery:
        """Keeps a webhook once per (source, external id): durable on return.

        Raises `Retriable` when the store is away; it may or may not stand then, and the sender
        repeats.
        """
        ...


class HoldDesk(Protocol):
    """Reads of holds outside any transaction of ours."""

    async def page(
        self, districts: Collection[str] | None, state: str | None, *, limit: int, offset: int
    ) -> tuple[int, Sequence[Hold]]:
        """(how many there are, one page, newest first); None means all of them."""
        ...

    async def get(self, hold_id: str) -> Hold | None:
        """The hold, or None. `hold_id` may be any text."""
        ...

    async def flip(self, hold: Hold) -> Waiting | None:
        """The flip that waits with a hold, if it is of one."""
        ...

    async def items(self, hold: Hold, *, limit: int, offset: int) -> Sequence[str | None]:
        """A page of our ids of what is held, the outside id where there is none yet.

        None stands for an outside id that may be an address and is not told. In the order of the
        outside ids.
        """
        ...

    async def approved(self, *, resting: Collection[str] = ()) -> Hold | None:
        """The oldest approved hold with items not done yet, but for the ids `resting`."""
        ...

    async def due(self, now: datetime) -> Sequence[Hold]:
        """Open holds whose time is over."""
        ...


Work: TypeAlias = Literal[
    "accept",
    "apply",
    "collect",
    "store_snapshot",
    "stage",
    "link",
    "snapshot_batch",
    "run",
    "merge",
    "release",
    "flip",
    "purge",
    "replay",
    "pull_page",
    "pull_again",
    "hand_over",
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
    def suggestions(self) -> Suggestions:
        """Pairs of ids that may be one."""
        ...

    @property
    def voices(self) -> Voices:
        """What stands behind resolved records."""
        ...

    @property
    def pairs(self) -> Pairs:
        """Outside ids that a staged list has in place of others."""
        ...

    @property
    def authority(self) -> AuthorityTable:
        """Who may speak for what."""
        ...

    @property
    def runs(self) -> Runs:
        """Runs."""
        ...

    @property
    def staging(self) -> Staging:
        """Rows of runs."""
        ...

    @property
    def pulls(self) -> Pulls:
        """Pulls of sources."""
        ...

    @property
    def holds(self) -> Holds:
        """Holds and budgets."""
        ...

    @property
    def replays(self) -> Replays:
        """Replays."""
        ...

    @property
    def taken(self) -> TakenFiles:
        """Files of drops."""
        ...

    @property
    def raw(self) -> Raw:
        """Raw bytes of deliveries."""
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


class ReplayDesk(Protocol):
    """Reads of replays outside any transaction of ours."""

    async def get(self, replay_id: str) -> Replay | None:
        """The replay, or None. `replay_id` may be any text."""
        ...

    async def open(self, last: Sequence[str]) -> Replay | None:
        """The oldest replay that waits or was left running; one of `last` if there is no other,
        in their order.
        """
        ...


class CrosswalkDesk(Protocol):
    """Reads of the crosswalk outside any transaction of ours."""

    async def history(
        self, district_id: str, space: Entity, ids: Sequence[str]
    ) -> Sequence[Meaning]:
        """See `Crosswalk.history`."""
        ...

    async def decision(self, decision_id: str) -> Decision | None:
        """A decision of any district, or None. `decision_id` may be any text."""
        ...


class SuggestionDesk(Protocol):
    """Reads of suggestions outside any transaction of ours."""

    async def page(
        self, districts: Collection[str] | None, state: str | None, *, limit: int, offset: int
    ) -> tuple[int, Sequence[Suggestion]]:
        """(how many there are, one page, newest first); None means all of them."""
        ...

    async def get(self, suggestion_id: str) -> Suggestion | None:
        """The suggestion, or None. `suggestion_id` may be any text."""
        ...


class RunDesk(Protocol):
    """Reads of runs and of the inbox outside any transaction of ours."""

    async def get(self, run_id: str) -> Run | None:
        """The run, or None. `run_id` may be any text."""
        ...

    async def open(self, source_ids: Sequence[str]) -> Sequence[Run]:
        """The oldest run of each of these sources that waits or was left running, oldest first."""
        ...

    async def page(
        self,
        districts: Collection[str] | None,
        source_id: str | None,
        state: str | None,
        *,
        limit: int,
        offset: int,
    ) -> tuple[int, Sequence[Run]]:
        """(how many there are, one page, newest first); None means all of them."""
        ...

    async def successes(self) -> Mapping[str, datetime]:
        """When each source was last heard of with success; who never was is left out."""
        ...

    async def sources_waiting(self) -> Sequence[str]:
        """Ids of the sources with webhooks not applied yet."""
        ...
