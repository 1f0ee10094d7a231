"""What operators are shown of groups. Pure data: ids, counts and the group's own name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from directory_sync.domain.group import GroupKey, GroupKind
from directory_sync.domain.ids import DistrictId, PersonId, TargetId


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """One group in one target. `held` counts removals that wait for a person.

    `group_id` None: asked for, and not known to stand there yet.
    """

    district_id: DistrictId
    target_id: TargetId
    key: GroupKey
    kind: GroupKind
    group_id: str | None
    display_name: str
    members: int
    held: int
    held_since: datetime | None
    waiting_since: datetime | None
    correlation_id: str
    changed_at: datetime
    error_code: str | None

    @property
    def state(self) -> str:
        """`held`, `failing`, `waiting` (work is to do) or `settled`; the first that is true."""
        if self.held:
            return "held"
        if self.error_code is not None:
            return "failing"
        return "settled" if self.group_id is not None and self.waiting_since is None else "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """A person whose account is in the group, as far as we know."""

    person_id: PersonId
    account_id: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPage:
    """A part of the groups, and how many there are in all."""

    total: int
    rows: Sequence[GroupRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCounts:
    """One target's groups in numbers. `held` counts removals, `failing` groups by code."""

    groups: int
    memberships: int
    held: int
    waiting: int
    failing: Mapping[str, int]
