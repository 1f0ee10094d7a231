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
from roster_publisher.domain.rules import Rule, Taught


@dataclass(frozen=True, slots=True, kw_only=True)
class DistrictState:
    """Where a district's publication stands; held locked by who is about to publish.

    `rules_version` rises whenever the district's rules are others.
    """

    revision: int
    stamp: datetime | None
    rules_version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One record to publish: its draft, its texts, its scopes, and what it replaces.

    `rule_ids` are the rules it matches by itself, besides what it brings in or follows.
    """

    draft: Draft
    fragments: Fragments
    scope_ids: frozenset[str]
    before: Stored | None
    rule_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaughtClass:
    """A published class as rules look at it: `taught` is what it says itself."""

    class_id: str
    school_id: str
    course_id: str
    taught: Taught
    rule_ids: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rematched:
    """A class that is not written but matches other rules, because its course says otherwise."""

    class_id: str
    course_id: str
    rule_ids: frozenset[str]
    cause: Cause


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

    async def rules(self, district_id: str) -> Sequence[Rule]:
        """The rules that are scopes of the district."""
        ...

    async def taught_courses(self, district_id: str, ids: Collection[str]) -> Mapping[str, Taught]:
        """What the published courses among `ids` say of grades and subjects."""
        ...

    async def classes_of(self, district_id: str, courses: Collection[str]) -> Sequence[TaughtClass]:
        """Active classes of the courses."""
        ...

    async def publish(
        self,
        district_id: str,
        publications: Sequence[Publication],
        *,
        revision: int,
        stamp: datetime,
        rematched: Sequence[Rematched] | None = None,
    ) -> None:
        """Write the records at `revision`; what they replace goes to history; scopes follow.

        `rematched` is None where the district has no rules.
        """
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
