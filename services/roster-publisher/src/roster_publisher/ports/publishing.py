"""What publishing needs: the roster store inside one transaction, and what goes into it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from roster_publisher.domain.causes import CauseLine
from roster_publisher.domain.fragments import Fragments
from roster_publisher.domain.names import Allocated, Held
from roster_publisher.domain.publication import Cause, Change, Draft, Stored
from roster_publisher.domain.records import Key, Record, Status


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
