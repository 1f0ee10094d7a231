"""What operators may see of groups: lists, one group with its members, numbers per target."""

from collections.abc import Callable, Mapping, Sequence

from directory_sync.domain.group import GroupKey
from directory_sync.domain.group_view import GroupCounts, GroupMember, GroupPage, GroupRow
from directory_sync.domain.ids import DistrictId, TargetId
from directory_sync.domain.policy import Policy
from directory_sync.ports.groups import GroupViews

MaySee = Callable[[str], bool]


class ShowGroups:
    """Reads only; shows nothing of a district that `may_see` refuses."""

    def __init__(self, *, views: GroupViews, policies: Sequence[Policy]) -> None:
        self._views = views
        self._policies = policies

    async def page(
        self, *, may_see: MaySee, target: str | None, limit: int, offset: int
    ) -> GroupPage:
        """Groups of the targets that may be seen; of one of them if asked so."""
        return await self._views.page(self._targets(may_see, target), limit=limit, offset=offset)

    async def one(
        self, key: str, *, may_see: MaySee, target: str | None
    ) -> Sequence[tuple[GroupRow, Sequence[GroupMember]]]:
        """Empty when no target that may be seen has the group."""
        return await self._views.one(self._targets(may_see, target), GroupKey(key))

    async def counts(self, *, may_see: MaySee) -> Mapping[tuple[DistrictId, TargetId], GroupCounts]:
        """One entry per target with groups that may be seen."""
        return {key: await self._views.counts(*key) for key in self._targets(may_see)}

    def _targets(
        self, may_see: MaySee, target: str | None = None
    ) -> list[tuple[DistrictId, TargetId]]:
        return [
            (p.district_id, p.target_id)
            for p in self._policies
            if p.groups and may_see(p.district_id) and target in (None, p.target_id)
        ]
