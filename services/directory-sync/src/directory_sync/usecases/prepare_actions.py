"""Claim marked persons, work out what each account must be, and write down what we will ask for.

One transaction. Names are reserved and creates are noted before anything leaves us, so that a
crash after the call finds the same name again instead of making a second account.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from directory_sync.domain.account import AccountRecord, ActualAccount, Names, NameSource
from directory_sync.domain.backoff import parked_wait_s
from directory_sync.domain.fact import AccountFact, AccountNamed, AccountStep
from directory_sync.domain.ids import PersonId
from directory_sync.domain.matching import MatchRefused, match_found
from directory_sync.domain.names import NameRefused, Taken, choose, key_of, stems_of
from directory_sync.domain.person import Person, Role, current_role
from directory_sync.domain.plan import Action, Create, Look, plan
from directory_sync.domain.work import AccountWrite, Claimed, Retry
from directory_sync.ports import Unit, Units, Wiring
from directory_sync.usecases.mark_groups import mark_groups_of_accounts
from roster_common.ports import Clock, IdSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One person with an action to carry out. `names` are those the account will have."""

    claimed: Claimed
    names: Names | None
    known: ActualAccount | None
    action: Action | Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one lease covers: everything claimed, and the part that needs the target."""

    token: str
    claimed: int
    unchanged: int
    refused: int
    prepared: Sequence[Prepared]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    """Nothing to ask the target for; `write` when our record changes all the same."""

    claimed: Claimed
    write: AccountWrite | None
    named: AccountNamed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    claimed: Claimed
    names: Names | None
    actual: ActualAccount | None
    code: str


class PrepareActions:
    """The planning half of a reconcile, for one target."""

    def __init__(self, *, units: Units, wiring: Wiring, clock: Clock, ids: IdSource) -> None:
        self._units = units
        self._wiring = wiring
        self._clock = clock
        self._ids = ids

    async def __call__(self, *, limit: int, lease_s: float) -> Work:
        """Claim up to `limit` persons for `lease_s` seconds. Commits; may run twice."""
        policy = self._wiring.policy
        now = self._clock.now()
        token = self._ids.new_id()
        async with self._units.begin() as unit:
            claimed = await unit.marks.claim(
                policy.district_id,
                policy.target_id,
                limit=limit,
                token=token,
                now=now,
                lease_until=now + timedelta(seconds=lease_s),
            )
            if not claimed:
                return Work(token=token, claimed=0, unchanged=0, refused=0, prepared=())
            results = await self._plan_all(unit, claimed, now=now)
            prepared = [r for r in results if isinstance(r, Prepared)]
            settled = [r for r in results if isinstance(r, _Settled)]
            refused = [r for r in results if isinstance(r, _Refused)]
            await self._write_ahead(unit, prepared, settled, refused, now=now)
        return Work(
            token=token,
            claimed=len(claimed),
            unchanged=len(settled),
            refused=len(refused),
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

    async def _plan_all(
        self, unit: Unit, claimed: Sequence[Claimed], *, now: datetime
    ) -> Sequence[Prepared | _Settled | _Refused]:
        policy = self._wiring.policy
        today = now.astimezone(ZoneInfo(policy.time_zone)).date()
        roles = {c.person_id: self._role(c.person, today) for c in claimed}
        named = [c.person for c in claimed if c.person is not None and roles[c.person_id]]
        taken = await self._taken(unit, named)
        usernames, emails = dict(taken.usernames), dict(taken.emails)
        held: list[tuple[PersonId | None, Names]] = []
        results: list[Prepared | _Settled | _Refused] = []
        for one in claimed:
            result = self._plan_one(
                one, roles[one.person_id], Taken(usernames=usernames, emails=emails)
            )
            results.append(result)
            names = _names_of(result)
            if names is None:
                continue
            held.append((one.person_id, names))
            usernames[key_of(names.username)] = one.person_id
            if names.email is not None:
                emails.setdefault(key_of(names.email), one.person_id)
        if held:
            await unit.accounts.hold_names(policy.district_id, policy.target_id, held, now=now)
        return results

    async def _taken(self, unit: Unit, people: Sequence[Person]) -> Taken:
        """Names near the candidates of `people`; keeps other planners out while any is needed."""
        if not people:
            return Taken(usernames={}, emails={})
        policy = self._wiring.policy
        await unit.accounts.lock_names(policy.district_id, policy.target_id)
        keys = [key_of(p.username) for p in people if p.username]
        stems = sorted({stem for p in people if not p.username for stem in stems_of(p)})
        return await unit.accounts.taken(
            policy.district_id, policy.target_id, keys=keys, stems=stems
        )

    def _role(self, person: Person | None, today: date) -> Role | None:
        if person is None:
            return None
        return current_role(person, roles=self._wiring.policy.roles, today=today)

    def _plan_one(
        self, one: Claimed, role: Role | None, taken: Taken
    ) -> Prepared | _Settled | _Refused:
        record = one.record
        actual = None if record is None else record.actual
        if record is not None and actual is None and record.asked_at is not None and record.names:
            look = Look(username=record.names.username)
            return Prepared(claimed=one, names=record.names, known=None, action=look)
        person = one.person
        if person is None or role is None:
            return self._finish_plan(one, None, actual, plan(None, actual))
        if actual is None:
            found = match_found(person.person_id, username=person.username, found=one.found)
            if isinstance(found, MatchRefused):
                return _Refused(claimed=one, names=_held(record), actual=None, code=found.code)
            actual = found
        names = choose(
            person,
            held=_held(record) or _names_found(actual),
            taken=_owning(taken, actual, person.person_id),
            policy=self._wiring.policy,
        )
        if isinstance(names, NameRefused):
            return _Refused(claimed=one, names=_held(record), actual=actual, code=names.code)
        desired = self._wiring.desired(person, names, role)
        return self._finish_plan(one, names, actual, plan(desired, actual))

    def _finish_plan(
        self,
        one: Claimed,
        names: Names | None,
        actual: ActualAccount | None,
        action: Action | None,
    ) -> Prepared | _Settled:
        names = names or _held(one.record)
        if action is not None:
            return Prepared(claimed=one, names=names, known=actual, action=action)
        if actual is None and one.record is None:
            return _Settled(claimed=one, write=None, named=None)
        write = AccountWrite(
            person_id=one.person_id,
            names=names,
            actual=actual,
            asked_at=None,
            error_code=None,
            cause=one.cause,
        )
        fresh = actual is not None and (one.record is None or one.record.actual is None)
        named = named_fact(self._wiring, one, names) if fresh else None
        return _Settled(claimed=one, write=write, named=named)

    async def _write_ahead(
        self,
        unit: Unit,
        prepared: Sequence[Prepared],
        settled: Sequence[_Settled],
        refused: Sequence[_Refused],
        *,
        now: datetime,
    ) -> None:
        """Reserve what is about to be asked for, and finish what needs no asking."""
        district_id, target_id = self._wiring.policy.district_id, self._wiring.policy.target_id
        writes = [s.write for s in settled if s.write is not None]
        writes += [w for p in prepared if (w := _reservation(p, now)) is not None]
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
        for fact in (s.named for s in settled if s.named is not None):
            unit.emit(fact)
        if refused:
            await unit.marks.retry(district_id, target_id, [_park(r, now) for r in refused])
        for r in refused:
            unit.emit(failed_fact(self._wiring, r.claimed, r.actual, code=r.code))


def named_fact(wiring: Wiring, one: Claimed, names: Names | None) -> AccountNamed | None:
    """What goes back to the roster when the directory decided a name that the roster lacks."""
    person = one.person
    if names is None or person is None or (person.username and (person.email or not names.email)):
        return None
    return AccountNamed(
        district_id=wiring.policy.district_id,
        target_id=wiring.policy.target_id,
        person_id=one.person_id,
        username=names.username,
        email=names.email,
        cause=one.cause,
    )


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


def _reservation(item: Prepared, now: datetime) -> AccountWrite | None:
    """A create is written down before it leaves us; a link is written down before it is used."""
    record = item.claimed.record
    creating = isinstance(item.action, Create)
    linking = item.known is not None and (record is None or record.actual is None)
    if not (creating or linking):
        return None
    return AccountWrite(
        person_id=item.claimed.person_id,
        names=item.names,
        actual=item.known,
        asked_at=now if creating else None,
        error_code=None,
        cause=item.claimed.cause,
    )


def _park(refused: _Refused, now: datetime) -> Retry:
    wait = timedelta(seconds=parked_wait_s(refused.claimed.attempt))
    return Retry(person_id=refused.claimed.person_id, at=now + wait, code=refused.code)


def _held(record: AccountRecord | None) -> Names | None:
    return None if record is None else record.names


def _names_found(actual: ActualAccount | None) -> Names | None:
    if actual is None:
        return None
    return Names(username=actual.username, email=actual.email, source=NameSource.FOUND)


def _owning(taken: Taken, actual: ActualAccount | None, person_id: PersonId) -> Taken:
    """The username of an account that is this person's is not taken by anybody else."""
    if actual is None:
        return taken
    usernames: Mapping[str, PersonId | None] = {
        **taken.usernames,
        key_of(actual.username): person_id,
    }
    return replace(taken, usernames=usernames)


def _names_of(result: Prepared | _Settled | _Refused) -> Names | None:
    match result:
        case Prepared(names=names):
            return names
        case _Settled(write=AccountWrite(names=names)):
            return names
        case _:
            return None
