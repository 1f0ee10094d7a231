"""What groups need from outside, as Protocols. Imports the domain only."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from directory_sync.domain.fact import Cause
from directory_sync.domain.group import GroupKey, GroupKind, GroupName, Place
from directory_sync.domain.group_view import GroupCounts, GroupMember, GroupPage, GroupRow
from directory_sync.domain.guard import Budget
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.membership import (
    ClaimedGroup,
    GroupOrder,
    GroupOutcome,
    GroupRetry,
    GroupWrite,
    MemberChange,
    SeenGroup,
    Standing,
)
from directory_sync.domain.plans import Item


class Groups(Protocol):
    """Places of persons in groups, our records of groups, and the budget of removals."""

    async def put_places(
        self, district_id: DistrictId, places: Mapping[PersonId, frozenset[Place]], *, now: datetime
    ) -> Mapping[PersonId, frozenset[GroupName]]:
        """Store each person's places; returns the groups they touch, by person."""
        ...

    async def groups_of(
        self, district_id: DistrictId, person_ids: Sequence[PersonId]
    ) -> Mapping[PersonId, frozenset[GroupName]]:
        """The groups in which these persons have, had or will have a place."""
        ...

    async def write(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        writes: Sequence[GroupWrite],
        *,
        now: datetime,
    ) -> None:
        """Store records as given; one write per group."""
        ...

    async def settle(
        self, district_id: DistrictId, target_id: TargetId, names: Sequence[GroupName]
    ) -> None:
        """Note that these groups are right: nothing held, no error."""
        ...

    async def change_members(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        added: Sequence[MemberChange],
        removed: Sequence[MemberChange],
        now: datetime,
    ) -> None:
        """Store who is in a group now, and who no longer is."""
        ...

    async def owners(
        self, district_id: DistrictId, target_id: TargetId, account_ids: Sequence[str]
    ) -> Mapping[str, PersonId]:
        """Whose accounts these are; those that are nobody's of ours are left out."""
        ...

    async def note_strangers(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        strangers: Mapping[GroupName, Collection[str]],
    ) -> None:
        """Replace what is known of the accounts in these groups that are nobody's of ours."""
        ...

    async def recognise(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        owners: Mapping[str, PersonId],
        *,
        now: datetime,
    ) -> None:
        """These accounts are these persons': where they were seen as strangers they are members."""
        ...

    async def standings(
        self, district_id: DistrictId, target_id: TargetId, person_ids: Sequence[PersonId]
    ) -> Sequence[Standing]:
        """Where these persons and their accounts stand."""
        ...

    async def passed(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        removals: Sequence[MemberChange],
        *,
        since: datetime,
    ) -> frozenset[Item]:
        """Those of the removals that cost budget since then."""
        ...

    async def budget(
        self, district_id: DistrictId, target_id: TargetId, *, since: datetime
    ) -> Budget:
        """What removals have of the target's memberships."""
        ...

    async def spend(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        removals: Sequence[MemberChange],
        *,
        now: datetime,
    ) -> None:
        """Note removals before they are asked for."""
        ...

    async def must_read(self, district_id: DistrictId, target_id: TargetId) -> bool | None:
        """Whether a first read of groups is due; None when accounts have to be read before."""
        ...

    async def note_read(
        self, district_id: DistrictId, target_id: TargetId, *, now: datetime
    ) -> None:
        """Remember that the target's groups were read."""
        ...


class GroupMarks(Protocol):
    """Which groups must be looked at in which target; the queue is that of `Marks`."""

    async def set(
        self,
        district_id: DistrictId,
        targets: Sequence[TargetId],
        causes: Mapping[GroupName, Cause],
        *,
        now: datetime,
    ) -> None:
        """Mark; a mark that stands already becomes due again and keeps its first time."""
        ...

    async def set_for_people(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        causes: Mapping[PersonId, Cause],
        *,
        kinds: Sequence[GroupKind],
        now: datetime,
    ) -> None:
        """Mark the groups in which these persons have a place or are members.

        Keeps planners of the target's groups out until the transaction ends: call it last but for
        marks, with the accounts written.
        """
        ...

    async def set_all(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        kinds: Sequence[GroupKind],
        correlation_id: str,
        now: datetime,
    ) -> None:
        """Mark every group that is known and not marked yet."""
        ...

    async def claim(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        limit: int,
        token: str,
        now: datetime,
        lease_until: datetime,
    ) -> Sequence[ClaimedGroup]:
        """Take due marks under a lease; those of a load only once its accounts are made.

        Keeps those who change accounts of the target out until the transaction ends.
        """
        ...

    async def renew(
        self, district_id: DistrictId, target_id: TargetId, *, token: str, lease_until: datetime
    ) -> None:
        """Keep what is still under this lease for longer."""
        ...

    async def held(
        self, district_id: DistrictId, target_id: TargetId, *, token: str
    ) -> frozenset[GroupKey]:
        """Those still under this lease, locked until the transaction ends.

        Keeps those who change accounts of the target out until then, too.
        """
        ...

    async def finish(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        done: Mapping[GroupKey, int],
        *,
        now: datetime,
    ) -> None:
        """Remove marks of these generations; a newer mark stays and is due at once."""
        ...

    async def retry(
        self, district_id: DistrictId, target_id: TargetId, retries: Sequence[GroupRetry]
    ) -> None:
        """Give the lease back; the mark comes again at its time."""
        ...


class GroupTarget(Protocol):
    """The groups of one directory: it lists, and it applies; it decides nothing."""

    def read_all(self) -> AsyncIterator[Sequence[SeenGroup]]:
        """Every group without its members, page by page. Raises Retriable when not ready."""
        ...

    async def apply(self, orders: Sequence[GroupOrder]) -> Sequence[GroupOutcome]:
        """One outcome per order, in their order. Bounded in time; raises nothing of its own."""
        ...


class GroupViews(Protocol):
    """Reads of groups for operators' pages."""

    async def page(
        self, targets: Sequence[tuple[DistrictId, TargetId]], *, limit: int, offset: int
    ) -> GroupPage:
        """Groups of these targets in the order of target and key."""
        ...

    async def one(
        self, targets: Sequence[tuple[DistrictId, TargetId]], key: GroupKey
    ) -> Sequence[tuple[GroupRow, Sequence[GroupMember]]]:
        """The group in each of these targets that has it, with its members."""
        ...

    async def counts(self, district_id: DistrictId, target_id: TargetId) -> GroupCounts:
        """One target in numbers."""
        ...
