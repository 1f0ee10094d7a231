"""Mark groups for the targets that want them, in the transaction of what touched them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from directory_sync.domain.fact import Cause
from directory_sync.domain.group import GroupName, kinds_wanted
from directory_sync.domain.ids import DistrictId, PersonId
from directory_sync.domain.policy import Policy
from directory_sync.ports import Unit


async def mark_groups(
    unit: Unit,
    policies: Sequence[Policy],
    district_id: DistrictId,
    causes: Mapping[GroupName, Cause],
    *,
    now: datetime,
) -> None:
    """Mark groups whose members or name may differ. Does not commit."""
    for policy in policies:
        if policy.district_id != district_id:
            continue
        wanted = {name: cause for name, cause in causes.items() if name.wanted(policy)}
        if wanted:
            await unit.group_marks.set(district_id, [policy.target_id], wanted, now=now)


async def mark_groups_of_accounts(
    unit: Unit, policy: Policy, causes: Mapping[PersonId, Cause], *, now: datetime
) -> None:
    """Mark the groups of persons whose accounts were written: made, found, disabled, replaced.

    Does not commit; marks nothing where every place has its membership.
    """
    kinds = kinds_wanted(policy)
    if kinds and causes:
        await unit.group_marks.set_for_accounts(
            policy.district_id, policy.target_id, causes, kinds=kinds, now=now
        )
