"""Claim marked groups, work out what each must be, and write down what we will ask for.

One transaction. Doubt and spent removals are noted before anything leaves us, so that a crash
after the call is followed by a read, and no budget is spent twice or forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from directory_sync.domain.group import DesiredGroup
from directory_sync.domain.membership import (
    ChangeGroup,
    ClaimedGroup,
    CreateGroup,
    Doubt,
    GroupAction,
    GroupWrite,
    LookForGroup,
    MemberChange,
    ReadGroup,
    desired_group,
    keeping,
    plan_group,
)
from directory_sync.domain.plans import Item
from directory_sync.ports import Unit, Units, Wiring
from directory_sync.usecases.guarding_removals import RemovalGuard
from roster_common.ports import Clock, IdSource


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedGroup:
    """One claimed group and what to ask for. `held` counts removals that wait for a person."""

    claimed: ClaimedGroup
    desired: DesiredGroup | None
    action: GroupAction | None
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupWork:
    """What one lease covers: everything claimed, and the part that needs the target."""

    token: str
    claimed: int
    unchanged: int
    held: int
    prepared: Sequence[PlannedGroup]


class PrepareGroups:
    """The planning half of a round for groups, for one target."""

    def __init__(self, *, units: Units, wiring: Wiring, clock: Clock, ids: IdSource) -> None:
        self._units = units
        self._policy = wiring.policy
        self._clock = clock
        self._ids = ids
        self._guard = RemovalGuard(policy=wiring.policy, ids=ids)

    async def __call__(self, *, limit: int, lease_s: float) -> GroupWork:
        """Claim up to `limit` groups for `lease_s` seconds. Commits; may run twice."""
        now = self._clock.now()
        token = self._ids.new_id()
        async with self._units.begin() as unit:
            claimed = await unit.group_marks.claim(
                self._policy.district_id,
                self._policy.target_id,
                limit=limit,
                token=token,
                now=now,
                lease_until=now + timedelta(seconds=lease_s),
            )
            planned = await self._plan_all(unit, claimed, now=now) if claimed else []
            await self._write_ahead(unit, planned, now=now)
        prepared = [p for p in planned if p.action is not None]
        return GroupWork(
            token=token,
            claimed=len(planned),
            unchanged=sum(p.action is None and not p.held for p in planned),
            held=sum(p.held for p in planned),
            prepared=prepared,
        )

    async def renew(self, work: GroupWork, *, lease_s: float) -> None:
        """Hold the lease for another `lease_s` seconds. Commits."""
        async with self._units.begin() as unit:
            await unit.group_marks.renew(
                self._policy.district_id,
                self._policy.target_id,
                token=work.token,
                lease_until=self._clock.now() + timedelta(seconds=lease_s),
            )

    async def _plan_all(
        self, unit: Unit, claimed: Sequence[ClaimedGroup], *, now: datetime
    ) -> Sequence[PlannedGroup]:
        today = now.astimezone(ZoneInfo(self._policy.time_zone)).date()
        planned = []
        for one in claimed:
            desired = desired_group(one, policy=self._policy, today=today)
            action = plan_group(desired, one.known)
            planned.append(PlannedGroup(claimed=one, desired=desired, action=action, held=0))
        kept = await self._after_accounts(unit, planned, today)
        put_off = frozenset(c.item for p in planned for c in _removals(p))
        return await self._guarded(unit, kept, put_off, now)

    async def _after_accounts(
        self, unit: Unit, planned: Sequence[PlannedGroup], today: date
    ) -> Sequence[PlannedGroup]:
        """A leaver goes out of groups once the account is off, so a held disable holds both; and
        nobody goes out because somebody switched their account off, which we switch on again.
        """
        people = sorted({change.person_id for p in planned for change in _removals(p)})
        if not people:
            return planned
        district_id, target_id = self._policy.district_id, self._policy.target_id
        standings = await unit.groups.standings(district_id, target_id, people)
        roles = self._policy.roles
        staying = {s.person_id for s in standings if s.stays(roles=roles, today=today)}
        return [_without(p, [c for c in _removals(p) if c.person_id in staying]) for p in planned]

    async def _guarded(
        self, unit: Unit, planned: Sequence[PlannedGroup], put_off: frozenset[Item], now: datetime
    ) -> Sequence[PlannedGroup]:
        """What the guard holds or a person refused is left out; the rest of each change goes on."""
        held, refused = await self._guard(
            unit,
            [(c, p.claimed.name, p.claimed.cause) for p in planned for c in _removals(p)],
            looked_at=[p.claimed.name for p in planned if not _in_doubt(p)],
            put_off=put_off,
            ask=frozenset(p.claimed.name.key for p in planned if is_adopted(p)),
            now=now,
        )
        return [
            replace(
                _without(p, [c for c in _removals(p) if c.item in held | refused]),
                held=sum(c.item in held for c in _removals(p)),
            )
            for p in planned
        ]

    async def _write_ahead(
        self, unit: Unit, planned: Sequence[PlannedGroup], *, now: datetime
    ) -> None:
        district_id, target_id = self._policy.district_id, self._policy.target_id
        writes = [w for p in planned if (w := _noted(p)) is not None]
        if writes:
            await unit.groups.write(district_id, target_id, writes, now=now)
        idle = [p for p in planned if p.action is None]
        if idle:
            settled = [p.claimed.name for p in idle if not p.held]
            await unit.groups.settle(district_id, target_id, settled)
            done = {p.claimed.name.key: p.claimed.generation for p in idle}
            await unit.group_marks.finish(district_id, target_id, done, now=now)


def doubt_ahead(planned: PlannedGroup) -> Doubt | None:
    """What is unknown of the group while the action is under way."""
    match planned.action:
        case CreateGroup():
            return Doubt.CREATE
        case ChangeGroup():
            return Doubt.CHANGE
        case _:
            return None if planned.claimed.known is None else planned.claimed.known.doubt


def is_adopted(planned: PlannedGroup) -> bool:
    """Whether the group stood there before us and was not brought right yet."""
    return planned.claimed.known is not None and planned.claimed.known.adopted


def _in_doubt(planned: PlannedGroup) -> bool:
    """Whether the group is read before anybody can say who leaves it."""
    return isinstance(planned.action, LookForGroup | ReadGroup)


def _removals(planned: PlannedGroup) -> Sequence[MemberChange]:
    if not isinstance(planned.action, ChangeGroup):
        return []
    key = planned.claimed.name.key
    return [
        MemberChange(key=key, account_id=account_id, person_id=person_id)
        for account_id, person_id in sorted(planned.action.remove.items())
    ]


def _without(planned: PlannedGroup, removals: Sequence[MemberChange]) -> PlannedGroup:
    if not isinstance(planned.action, ChangeGroup) or not removals:
        return planned
    kept = keeping(planned.action, {change.account_id for change in removals})
    return replace(planned, action=kept)


def _noted(planned: PlannedGroup) -> GroupWrite | None:
    """The record before the call; a read needs none."""
    changing = isinstance(planned.action, CreateGroup | ChangeGroup)
    if not changing and not planned.held:
        return None
    known = planned.claimed.known
    shown = "" if planned.desired is None else planned.desired.display_name
    return GroupWrite(
        name=planned.claimed.name,
        group_id=None if known is None else known.group_id,
        display_name=shown if known is None else known.display_name,
        doubt=doubt_ahead(planned),
        held=planned.held,
        error_code=None,
        cause=planned.claimed.cause,
        adopted=is_adopted(planned),
    )
