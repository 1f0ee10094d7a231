"""What operators see: one person's accounts with the reason for them, and targets in numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.person import why
from directory_sync.domain.policy import Policy
from directory_sync.domain.view import AccountRow, TargetCounts
from directory_sync.ports import Views
from roster_common.ports import Clock

MaySee = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAccount:
    """A stored row, and a stable code for why the person has or has not an account there."""

    row: AccountRow
    reason: str


class ShowAccounts:
    """Reads only; shows nothing of a district that `may_see` refuses."""

    def __init__(self, *, views: Views, policies: Sequence[Policy], clock: Clock) -> None:
        self._views = views
        self._policies = policies
        self._clock = clock

    async def of_person(self, person_id: str, *, may_see: MaySee) -> Sequence[ShownAccount]:
        """Empty when no district that may be seen knows the person."""
        rows = await self._views.accounts_of(PersonId(person_id), self._targets(may_see))
        now = self._clock.now()
        return [ShownAccount(row=row, reason=self._reason(row, now)) for row in rows]

    async def counts(self, *, may_see: MaySee) -> Sequence[TargetCounts]:
        """One entry per target that may be seen."""
        return await self._views.counts(self._targets(may_see))

    def _targets(self, may_see: MaySee) -> list[tuple[DistrictId, TargetId]]:
        return [(p.district_id, p.target_id) for p in self._policies if may_see(p.district_id)]

    def _reason(self, row: AccountRow, now: datetime) -> str:
        policy = next(
            p
            for p in self._policies
            if (p.district_id, p.target_id) == (row.district_id, row.target_id)
        )
        if row.person is None:
            return "erased"
        today = now.astimezone(ZoneInfo(policy.time_zone)).date()
        return why(row.person, roles=policy.roles, today=today)
