"""Mark groups for the targets that want them, in the transaction of what touched them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from directory_sync.domain.account import AccountRecord, ActualAccount
from directory_sync.domain.fact import Cause
from directory_sync.domain.group import GroupName, kinds_wanted
from directory_sync.domain.ids import DistrictId, PersonId
from directory_sync.domain.policy import Policy
from directory_sync.domain.work import AccountWrite
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
    unit: Unit,
    policy: Policy,
    before: Mapping[PersonId, AccountRecord | None],
    writes: Sequence[AccountWrite],
    *,
    now: datetime,
) -> None:
    """Mark the groups of persons whose account came, went, was replaced or switched.

    `before` are the records that `writes` replace. An account that somebody had put into a group
    before we knew whose it is becomes a known member of it. Does not commit.
    """
    kinds = kinds_wanted(policy)
    causes: dict[PersonId, Cause] = {}
    owners: dict[str, PersonId] = {}
    for write in writes:
        old, new = _actual(before[write.person_id]), write.actual
        come = new is not None and (old is None or old.account_id != new.account_id)
        if new is not None and come:
            owners[new.account_id] = write.person_id
        if come or _usable(new) != _usable(old):
            causes[write.person_id] = write.cause
    if kinds and owners:
        await unit.groups.recognise(policy.district_id, policy.target_id, owners, now=now)
    if kinds and causes:
        await unit.group_marks.set_for_people(
            policy.district_id, policy.target_id, causes, kinds=kinds, now=now
        )


def _actual(record: AccountRecord | None) -> ActualAccount | None:
    return None if record is None else record.actual


def _usable(actual: ActualAccount | None) -> str | None:
    """The id under which an account can be a member; None when there is none or it is off."""
    return actual.account_id if actual is not None and actual.enabled else None
