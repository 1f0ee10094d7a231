"""Claim marked persons, work out what each account must be, and write down what we will ask for.

One transaction. Names are reserved and creates are noted before anything leaves us, so that a
crash after the call finds the same name again instead of making a second account. What a guard
holds is not prepared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from directory_sync.domain.account import ActualAccount, Names
from directory_sync.domain.backoff import parked_wait_s
from directory_sync.domain.fact import AccountFact, AccountStep
from directory_sync.domain.ids import PersonId
from directory_sync.domain.plan import Create
from directory_sync.domain.work import AccountWrite, Claimed, Retry
from directory_sync.ports import Unit, Units, Wiring
from directory_sync.usecases.guarding import Guard, Ruling
from directory_sync.usecases.mark_groups import mark_groups_of_accounts
from directory_sync.usecases.planning import Planner
from directory_sync.usecases.results import (
    Prepared,
    Refused,
    Result,
    Settled,
    named_fact,
    names_of,
)
from roster_common.ports import Clock, IdSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one lease covers: everything claimed, and the part that needs the target.

    `held` counts what waits for a person, `released` are those whose action one approved.
    """

    token: str
    claimed: int
    unchanged: int
    refused: int
    held: int
    released: frozenset[PersonId]
    prepared: Sequence[Prepared]


class PrepareActions:
    """The planning half of a reconcile, for one target."""

    def __init__(
        self, *, units: Units, wiring: Wiring, clock: Clock, ids: IdSource, guard: Guard
    ) -> None:
        self._units = units
        self._wiring = wiring
        self._clock = clock
        self._ids = ids
        self._guard = guard

    async def __call__(self, *, limit: int, lease_s: float) -> Work:
        """Claim up to `limit` persons for `lease_s` seconds. Commits; may run twice."""
        policy = self._wiring.policy
        token = self._ids.new_id()
        async with self._units.begin() as unit:
            # One planner of a target at a time: for names, for accounts found, and for what a guard
            # has spent. A claim waits for nobody's marks.
            await unit.targets.lock(policy.district_id, policy.target_id)
            now = self._clock.now()
            claimed = await unit.marks.claim(
                policy.district_id,
                policy.target_id,
                limit=limit,
                token=token,
                now=now,
                lease_until=now + timedelta(seconds=lease_s),
            )
            if not claimed:
                return _nothing(token)
            planner = Planner(wiring=self._wiring, now=now)
            planned = await planner(unit, claimed)
            ruling = await self._guard(unit, planner, planned, now=now)
            results = [_ruled(result, ruling) for result in planned]
            await self._hold_names(unit, results, now=now)
            if planner.passed_on:
                await unit.accounts.pass_on_usernames(
                    policy.district_id, policy.target_id, planner.passed_on, now=now
                )
            prepared = [r for r in results if isinstance(r, Prepared)]
            settled = [r for r in results if isinstance(r, Settled)]
            refused = [r for r in results if isinstance(r, Refused)]
            await self._write_ahead(unit, prepared, settled, refused, now=now)
            await self._finish_released(unit, settled, ruling)
        return Work(
            token=token,
            claimed=len(claimed),
            unchanged=len(settled) - len(ruling.held),
            refused=len(refused),
            held=len(ruling.held),
            released=ruling.released,
            prepared=prepared,
        )

    async def renew(self, work: Work, *, lease_s: float) -> None:
        """Hold the lease for another `lease_s` seconds. Commits."""
        policy = self._wiring.policy
        async with self._units.begin() as unit:
            await unit.marks.renew(
                policy.district_id,
                policy.target_id,
                token=work.token,
                lease_until=self._clock.now() + timedelta(seconds=lease_s),
            )

    async def _finish_released(
        self, unit: Unit, settled: Sequence[Settled], ruling: Ruling
    ) -> None:
        """What was approved and turned out to need no call is done."""
        people = [s.claimed.person_id for s in settled if s.claimed.person_id in ruling.released]
        if people:
            policy = self._wiring.policy
            await unit.plans.finish(policy.district_id, policy.target_id, people)

    async def _hold_names(self, unit: Unit, results: Sequence[Result], *, now: datetime) -> None:
        policy = self._wiring.policy
        named = [(r.claimed.person_id, names_of(r)) for r in results]
        held: list[tuple[PersonId | None, Names]] = [(p, n) for p, n in named if n is not None]
        if held:
            await unit.accounts.hold_names(policy.district_id, policy.target_id, held, now=now)

    async def _write_ahead(
        self,
        unit: Unit,
        prepared: Sequence[Prepared],
        settled: Sequence[Settled],
        refused: Sequence[Refused],
        *,
        now: datetime,
    ) -> None:
        """Reserve what is about to be asked for, and finish what needs no asking."""
        district_id, target_id = self._wiring.policy.district_id, self._wiring.policy.target_id
        writes = [s.write for s in settled if s.write is not None]
        facts = [s.named for s in settled if s.named is not None]
        for item in prepared:
            named = named_fact(self._wiring, item.claimed, item.names) if item.links else None
            facts += [] if named is None else [named]
            write = _reservation(item, now, named=named is not None)
            writes += [] if write is None else [write]
        writes += [
            AccountWrite(
                person_id=r.claimed.person_id,
                names=r.names,
                actual=r.actual,
                asked_at=None,
                error_code=r.code,
                cause=r.claimed.cause,
            )
            for r in refused
        ]
        if writes:
            await unit.accounts.write(district_id, target_id, writes, now=now)
            linked = [w.actual.account_id for w in writes if w.actual is not None]
            await unit.accounts.drop_found(district_id, target_id, linked)
        if settled:
            done = {s.claimed.person_id: s.claimed.generation for s in settled}
            await unit.marks.finish(district_id, target_id, done, now=now)
        before = {
            result.claimed.person_id: result.claimed.record
            for results in (prepared, settled, refused)
            for result in results
        }
        await mark_groups_of_accounts(unit, self._wiring.policy, before, writes, now=now)
        for fact in facts:
            unit.emit(fact)
        if refused:
            await unit.marks.retry(district_id, target_id, [_park(r, now) for r in refused])
        for r in refused:
            unit.emit(failed_fact(self._wiring, r.claimed, r.actual, code=r.code))


def failed_fact(
    wiring: Wiring, one: Claimed, actual: ActualAccount | None, *, code: str
) -> AccountFact:
    """What others hear of an attempt that will not succeed by repeating it."""
    return AccountFact(
        step=AccountStep.FAILED,
        district_id=wiring.policy.district_id,
        target_id=wiring.policy.target_id,
        person_id=one.person_id,
        account_id=None if actual is None else actual.account_id,
        attributes_changed=(),
        attempt=one.attempt,
        error_code=code,
        cause=one.cause,
    )


def _reservation(item: Prepared, now: datetime, *, named: bool) -> AccountWrite | None:
    """A create is written down before it leaves us; a link is written down before it is used."""
    creating = isinstance(item.action, Create)
    if not (creating or item.links):
        return None
    return AccountWrite(
        person_id=item.claimed.person_id,
        names=item.names,
        actual=item.known,
        asked_at=now if creating else None,
        error_code=None,
        cause=item.claimed.cause,
        named=named,
    )


def _park(refused: Refused, now: datetime) -> Retry:
    wait = timedelta(seconds=parked_wait_s(refused.claimed.attempt))
    return Retry(person_id=refused.claimed.person_id, at=now + wait, code=refused.code)


def _ruled(result: Result, ruling: Ruling) -> Result:
    """What waits, or was refused, is left as it is and needs no mark: its plan remembers it."""
    if result.claimed.person_id in ruling.held | ruling.refused:
        return Settled(claimed=result.claimed, write=None, named=None, linked=False)
    return result


def _nothing(token: str) -> Work:
    return Work(
        token=token,
        claimed=0,
        unchanged=0,
        refused=0,
        held=0,
        released=frozenset(),
        prepared=(),
    )
