"""First connection of a target's groups: adopt those that carry a key of ours, then mark all.

Until this is done no group is made there, because one that exists would be made twice. Members are
read group by group, when accounts are linked and it is known whose they are.
"""

from directory_sync.domain.fact import Cause
from directory_sync.domain.group import GroupName, kinds_wanted, name_of
from directory_sync.domain.membership import Doubt, GroupWrite, SeenGroup
from directory_sync.ports import Units, Wiring
from directory_sync.ports.groups import GroupTarget
from roster_common.ports import Clock, IdSource


class ReadGroups:
    """Reads the groups of a target that were never read; does nothing for one that was."""

    def __init__(
        self, *, units: Units, wiring: Wiring, target: GroupTarget, clock: Clock, ids: IdSource
    ) -> None:
        self._units = units
        self._policy = wiring.policy
        self._target = target
        self._clock = clock
        self._ids = ids

    async def __call__(self) -> bool:
        """True when the groups were read, now or before; False while accounts are not.

        Commits once. Raises Retriable when the target is not ready or the list was cut.
        """
        district_id, target_id = self._policy.district_id, self._policy.target_id
        async with self._units.begin() as unit:
            due = await unit.groups.must_read(district_id, target_id)
        if due is None or not due:
            return due is not None
        found: dict[GroupName, list[SeenGroup]] = {}
        async for page in self._target.read_all():
            for group in page:
                name = name_of(group.key or "")
                if name is not None:
                    found.setdefault(name, []).append(group)
        now, correlation_id = self._clock.now(), self._ids.new_id()
        cause = Cause(correlation_id=correlation_id, causation_id=None, origin="republish")
        async with self._units.begin() as unit:
            asked = not self._policy.starts_live
            writes = [_adopted(name, of, cause, asked=asked) for name, of in found.items()]
            await unit.groups.write(district_id, target_id, writes, now=now)
            await unit.group_marks.set_all(
                district_id,
                target_id,
                kinds=kinds_wanted(self._policy),
                correlation_id=correlation_id,
                now=now,
            )
            await unit.groups.note_read(district_id, target_id, now=now)
        return True


def _adopted(name: GroupName, groups: list[SeenGroup], cause: Cause, *, asked: bool) -> GroupWrite:
    """The record of a group found; of several with one key none is ours until a person says.

    `asked`: so must somebody before the first of its members is removed.
    """
    one = groups[0] if len(groups) == 1 else None
    return GroupWrite(
        name=name,
        group_id=None if one is None else one.group_id,
        display_name="" if one is None else one.display_name,
        doubt=Doubt.CREATE if one is None else Doubt.FOUND,
        held=0,
        error_code=None,
        cause=cause,
        adopted=asked,
    )
