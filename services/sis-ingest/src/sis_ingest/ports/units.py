"""Transactions: the stores of one, where they come from, and the inbox that shares one."""

from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, TypeAlias

from sis_ingest.domain.deliveries import Delivery
from sis_ingest.domain.events import DomainEvent
from sis_ingest.ports.authority import AuthorityTable
from sis_ingest.ports.drops import TakenFiles
from sis_ingest.ports.identities import Crosswalk, Pairs, Suggestions, Voices
from sis_ingest.ports.pull_stores import Pulls
from sis_ingest.ports.staging import GuardedRows, Staging
from sis_ingest.ports.stores import (
    Budget,
    Deliveries,
    Holds,
    Raw,
    Records,
    Replays,
    Runs,
    StoredDelivery,
)


class Inbox(Protocol):
    """The inbox as the webhook door sees it."""

    async def keep(self, delivery: Delivery) -> StoredDelivery:
        """Keeps a webhook once per (source, external id): durable on return.

        Raises `Retriable` when the store is away; it may or may not stand then, and the sender
        repeats.
        """
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
    def guarded(self) -> GuardedRows:
        """Rows of a run that a guard counts."""
        ...

    @property
    def pulls(self) -> Pulls:
        """Pulls of sources."""
        ...

    @property
    def budget(self) -> Budget:
        """What guards let through."""
        ...

    @property
    def holds(self) -> Holds:
        """Holds."""
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
