"""Desired x known group -> one action, and how actions end. Pure.

Nothing is deleted: a group that nobody belongs to any more is emptied and stays. Source: ADR 0006,
ADR 0008.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final, TypeAlias

from directory_sync.domain.fact import Cause
from directory_sync.domain.group import (
    DesiredGroup,
    GroupKey,
    GroupKind,
    GroupName,
    Place,
    belonging,
    shown_class,
    shown_school,
)
from directory_sync.domain.ids import PersonId
from directory_sync.domain.outcome import Rejected, Unavailable
from directory_sync.domain.person import Person, RosterClass, current_role
from directory_sync.domain.plans import Item, removal
from directory_sync.domain.policy import Policy

# A group is made with this many members in one request; the others follow as changes.
MOST_AT_ONCE: Final = 1_000


class Doubt(StrEnum):
    """What we cannot know of a group until we have read it.

    `create` and `change`: a request may have been carried out whose answer we never saw. `found`:
    the group stood there before us.
    """

    CREATE = "create"
    CHANGE = "change"
    FOUND = "found"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownGroup:
    """What we hold about a group in a target; `members` are persons' accounts that are in it.

    `adopted`: it stood there before us, and who is in it was not brought right yet.
    """

    group_id: str | None
    display_name: str
    doubt: Doubt | None
    members: Mapping[str, PersonId]
    adopted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateGroup:
    """Make the group with these members; `more` says that others must follow."""

    display_name: str
    members: Mapping[str, PersonId]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LookForGroup:
    """Find out whether the group stands there, by its key; changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadGroup:
    """Read who is in the group; changes nothing."""

    group_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeGroup:
    """Rename (None leaves the name), add and remove members by account id."""

    group_id: str
    rename: str | None
    add: Mapping[str, PersonId]
    remove: Mapping[str, PersonId]


GroupAction: TypeAlias = CreateGroup | LookForGroup | ReadGroup | ChangeGroup


def plan_group(desired: DesiredGroup | None, known: KnownGroup | None) -> GroupAction | None:
    """The one action that brings the group right; None when there is nothing to do.

    `desired` None: the group has no name, so nothing was ever told of it. A group is made once it
    has a member. Doubt is settled by reading before anything is changed.
    """
    if known is not None and known.doubt is not None:
        return LookForGroup() if known.group_id is None else ReadGroup(group_id=known.group_id)
    if known is None or known.group_id is None:
        return None if desired is None or not desired.members else _create(desired)
    wanted = {} if desired is None else desired.members
    add = {a: p for a, p in wanted.items() if a not in known.members}
    remove = {a: p for a, p in known.members.items() if a not in wanted}
    renamed = desired is not None and desired.display_name != known.display_name
    rename = desired.display_name if desired is not None and renamed else None
    if not add and not remove and rename is None:
        return None
    return ChangeGroup(group_id=known.group_id, rename=rename, add=add, remove=remove)


def _create(desired: DesiredGroup) -> CreateGroup:
    first = sorted(desired.members)[:MOST_AT_ONCE]
    return CreateGroup(
        display_name=desired.display_name,
        members={account_id: desired.members[account_id] for account_id in first},
        more=len(first) < len(desired.members),
    )


def keeping(action: ChangeGroup, account_ids: Collection[str]) -> ChangeGroup | None:
    """The same change without the removal of these; None when nothing is left of it."""
    remove = {a: p for a, p in action.remove.items() if a not in account_ids}
    kept = replace(action, remove=remove)
    return kept if kept.rename is not None or kept.add or kept.remove else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenGroup:
    """A group as the target shows it; `members` are account ids, None when they were not asked."""

    group_id: str
    key: str | None
    display_name: str
    members: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCreated:
    """It stands there now, with the members asked for but for those the target refused."""

    group_id: str
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChanged:
    """Everything asked for is done, but for these accounts, which the target would not move."""

    refused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMissing:
    """There is no such group; nothing was changed."""


GroupOutcome: TypeAlias = (
    GroupCreated | GroupChanged | SeenGroup | GroupMissing | Rejected | Unavailable
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOrder:
    """One action for one group."""

    key: GroupKey
    action: GroupAction


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedGroup:
    """One group to bring right in one target, held under a lease.

    `places` are all places of the group, `accounts` its people's accounts that are on,
    `school_name` the latest name of its school. `attempt` counts from 1.
    """

    name: GroupName
    places: Sequence[tuple[PersonId, Place]]
    accounts: Mapping[PersonId, str]
    roster_class: RosterClass | None
    school_name: str | None
    known: KnownGroup | None
    cause: Cause
    attempt: int
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A person who is to go out of a group, None when erased, and how their account stands.

    `marked`: a round will look at the account.
    """

    person_id: PersonId
    person: Person | None
    enabled: bool
    marked: bool

    def stays(self, *, roles: frozenset[str], today: date) -> bool:
        """Whether the account changes first: one that is still on goes off, or is off by another's
        hand and comes on again. That change marks its groups, which is when they are looked at.
        """
        person = self.person
        entitled = person is not None and current_role(person, roles=roles, today=today) is not None
        return self.marked and entitled if not self.enabled else not entitled


def desired_group(claimed: ClaimedGroup, *, policy: Policy, today: date) -> DesiredGroup | None:
    """How the group must be today, with those members alone whose account is on."""
    name, known = claimed.name, claimed.known
    if claimed.roster_class is not None:
        shown = shown_class(claimed.roster_class)
    elif claimed.school_name is not None:
        shown = shown_school(name.kind, claimed.school_name)
    elif known is not None and known.display_name:
        shown = known.display_name
    elif name.kind is GroupKind.CLASS:
        return None
    else:
        shown = shown_school(name.kind, name.subject_id)
    people = belonging(
        name, claimed.places, roster_class=claimed.roster_class, policy=policy, today=today
    )
    accounts = claimed.accounts
    return DesiredGroup(
        display_name=shown, members={accounts[i]: i for i in people if i in accounts}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupWrite:
    """The new state of our record. `held` counts removals that wait for a person."""

    name: GroupName
    group_id: str | None
    display_name: str
    doubt: Doubt | None
    held: int
    error_code: str | None
    cause: Cause
    adopted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChange:
    """One membership that came to be or ended in our records."""

    key: GroupKey
    account_id: str
    person_id: PersonId

    @property
    def item(self) -> Item:
        """What a plan calls the end of this membership."""
        return self.person_id, removal(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRetry:
    """When a group's mark comes again, and the code of what stopped it."""

    key: GroupKey
    at: datetime
    code: str
