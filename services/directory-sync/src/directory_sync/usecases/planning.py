"""Desired x actual for marked or merely looked-at persons. Reads names that are taken; writes
nothing, so a round, a guard's backlog, a first connection and a dry run are one code path.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from directory_sync.domain.account import AccountRecord, ActualAccount, Names, NameSource
from directory_sync.domain.fact import Cause
from directory_sync.domain.guard import Wish
from directory_sync.domain.ids import PersonId
from directory_sync.domain.matching import MatchRefused, match_found
from directory_sync.domain.names import NameRefused, Taken, choose, key_of, stems_of
from directory_sync.domain.person import Person, Role, current_role, why
from directory_sync.domain.plan import Action, Look, plan
from directory_sync.domain.plans import DISABLE
from directory_sync.domain.work import AccountWrite, Claimed, least
from directory_sync.ports import Unit, Wiring
from directory_sync.usecases.results import (
    Prepared,
    Refused,
    Result,
    Settled,
    action_of,
    attributes_of,
    is_idle,
    links,
    named_fact,
    names_of,
)

# Planning a page takes some 20 ms, in which nothing else of this process runs.
_PAGE: Final = 250


class Planner:
    """Plans for one target at one moment; names given in one call are taken in the next, and an
    account found is one person's. `passed_on` are usernames that the roster gives to others than
    who bore them.
    """

    def __init__(self, *, wiring: Wiring, now: datetime) -> None:
        self.wiring = wiring
        self._today = now.astimezone(ZoneInfo(wiring.policy.time_zone)).date()
        self._usernames: dict[str, PersonId | None] = {}
        self._emails: dict[str, PersonId | None] = {}
        self._let_go: frozenset[str] = frozenset()
        self._given: set[str] = set()
        self._linked: dict[str, PersonId] = {}
        self.passed_on: dict[str, PersonId] = {}

    async def __call__(self, unit: Unit, claimed: Sequence[Claimed]) -> Sequence[Result]:
        """One result per person, in their order. Who will use the names keeps other planners out
        of the target (`Targets.lock`) from before this call to the commit.
        """
        roles = {c.person_id: self._role(c.person) for c in claimed}
        await self._learn(unit, [c.person for c in claimed if c.person and roles[c.person_id]])
        results: list[Result] = []
        for one in claimed:
            taken = Taken(usernames=self._usernames, emails=self._emails, let_go=self._let_go)
            result = self._plan_one(one, roles[one.person_id], taken)
            results.append(result)
            names = names_of(result)
            if names is not None:
                key = key_of(names.username)
                self._usernames[key] = one.person_id
                self._given.add(key)
                self._let_go -= {key}
                if names.email is not None:
                    self._emails.setdefault(key_of(names.email), one.person_id)
        return results

    async def everyone(self, unit: Unit) -> Sequence[Wish]:
        """What is wanted for every person of the district."""
        wishes: list[Wish] = []
        async for results in self._all(unit):
            wishes += [wish for r in results if (wish := self.wish(r)) is not None]
        return wishes

    async def restless(self, unit: Unit) -> Mapping[PersonId, Cause]:
        """Everybody about whom a round would do or say something, and what that goes back to."""
        found: dict[PersonId, Cause] = {}
        async for results in self._all(unit):
            found |= {r.claimed.person_id: r.claimed.cause for r in results if not is_idle(r)}
        return found

    async def leaving(self, unit: Unit, *, passed_since: datetime) -> Sequence[Wish]:
        """Every disable that is marked and that nothing decides about yet."""
        wishes: list[Wish] = []
        after = PersonId("")
        while claimed := await unit.outlook.leaving(
            self.wiring.policy,
            today=self._today,
            passed_since=passed_since,
            after=after,
            limit=_PAGE,
        ):
            results = await self(unit, claimed)
            wishes += [wish for r in results if (wish := self.wish(r)) is not None]
            after = claimed[-1].person_id
        return [wish for wish in wishes if wish.action == DISABLE]

    async def _all(self, unit: Unit) -> AsyncIterator[Sequence[Result]]:
        key = (self.wiring.policy.district_id, self.wiring.policy.target_id)
        after = PersonId("")
        while claimed := await unit.outlook.everyone(*key, after=after, limit=_PAGE):
            yield await self(unit, claimed)
            after = claimed[-1].person_id

    def wish(self, result: Result) -> Wish | None:
        """What a result wants done, as a guard and a plan see it; None when nothing."""
        action = action_of(result)
        if action is None:
            return None
        one = result.claimed
        reason = "erased"
        if one.person is not None:
            reason = why(one.person, roles=self.wiring.policy.roles, today=self._today)
        return Wish(
            person_id=one.person_id,
            action=action,
            reason=reason,
            attributes=attributes_of(result),
            cause=one.cause,
        )

    async def _learn(self, unit: Unit, people: Sequence[Person]) -> None:
        """Names near the candidates of `people`; what this planner gave goes before."""
        if not people:
            return
        policy = self.wiring.policy
        keys = [key_of(p.username) for p in people if p.username]
        stems = sorted({stem for p in people if not p.username for stem in stems_of(p)})
        taken = await unit.accounts.taken(
            policy.district_id, policy.target_id, keys=keys, stems=stems
        )
        self._let_go = (self._let_go | taken.let_go) - self._given
        self._usernames = {**taken.usernames, **self._usernames}
        self._emails = {**taken.emails, **self._emails}

    def _role(self, person: Person | None) -> Role | None:
        if person is None:
            return None
        return current_role(person, roles=self.wiring.policy.roles, today=self._today)

    def _plan_one(self, one: Claimed, role: Role | None, taken: Taken) -> Result:
        record = one.record
        actual = None if record is None else record.actual
        if record is not None and actual is None and record.asked_at is not None and record.names:
            look = Look(username=record.names.username)
            return Prepared(claimed=one, names=record.names, known=None, action=look)
        person = one.person
        if person is None or role is None:
            if record is None and actual is None:
                # Only an account that carries our id: a username alone may be anybody's.
                found = self._match(one, username=None)
                actual = found if isinstance(found, ActualAccount) else None
            held = _names_found(actual) if record is None else None
            return self._finish_plan(one, held, actual, plan(None, actual))
        if actual is None:
            found = self._match(one, username=person.username)
            if isinstance(found, MatchRefused):
                return Refused(claimed=one, names=_held(record), actual=None, code=found.code)
            actual = found
        if actual is not None and actual.is_bare:
            look = Look(username=actual.username, account_id=actual.account_id)
            return Prepared(claimed=one, names=_held(record), known=actual, action=look)
        names = choose(
            person,
            held=_held(record) or _names_found(actual),
            taken=_owning(taken, actual, person.person_id),
            policy=self.wiring.policy,
        )
        if isinstance(names, NameRefused):
            return Refused(
                claimed=one, names=_held(record), actual=_surely(one, actual), code=names.code
            )
        key = key_of(names.username)
        if person.username and taken.usernames.get(key) not in (None, person.person_id):
            self.passed_on[key] = person.person_id
        desired = self.wiring.desired(person, names, role)
        unheeded = {} if record is None else record.unheeded
        return self._finish_plan(one, names, actual, plan(desired, actual, unheeded))

    def _match(self, one: Claimed, *, username: str | None) -> ActualAccount | MatchRefused | None:
        """The account found that is this person's, unless this planner gave it to another."""
        found = match_found(one.person_id, username=username, found=one.found)
        if not isinstance(found, ActualAccount):
            return found
        if self._linked.setdefault(found.account_id, one.person_id) != one.person_id:
            return MatchRefused(code="ambiguous_match")
        return found

    def _finish_plan(
        self,
        one: Claimed,
        names: Names | None,
        actual: ActualAccount | None,
        action: Action | None,
    ) -> Prepared | Settled:
        names = names or _held(one.record)
        if action is not None:
            return Prepared(claimed=one, names=names, known=actual, action=action)
        if actual is None and one.record is None:
            return Settled(claimed=one, write=None, named=None, linked=False)
        write = AccountWrite(
            person_id=one.person_id,
            names=names,
            actual=actual,
            asked_at=None,
            error_code=None,
            cause=one.cause,
        )
        named = None if actual is None else named_fact(self.wiring, one, names)
        write = least(replace(write, named=named is not None), one.person)
        return Settled(claimed=one, write=write, named=named, linked=links(one, actual))


def _surely(one: Claimed, actual: ActualAccount | None) -> ActualAccount | None:
    """The account of a person who is refused a name: ours already, or one that carries our id."""
    if actual is None or not links(one, actual) or actual.external_id == one.person_id:
        return actual
    return None


def _held(record: AccountRecord | None) -> Names | None:
    return None if record is None else record.names


def _names_found(actual: ActualAccount | None) -> Names | None:
    if actual is None or actual.is_bare:
        return None
    return Names(username=actual.username, email=actual.email, source=NameSource.FOUND)


def _owning(taken: Taken, actual: ActualAccount | None, person_id: PersonId) -> Taken:
    """The username of an account that is this person's is theirs, unless another holds it."""
    if actual is None or taken.usernames.get(key_of(actual.username)) is not None:
        return taken
    usernames: Mapping[str, PersonId | None] = {
        **taken.usernames,
        key_of(actual.username): person_id,
    }
    return replace(taken, usernames=usernames)
