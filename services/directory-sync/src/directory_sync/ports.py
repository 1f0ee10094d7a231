"""What this service needs from outside, as Protocols, and the shape of a target.

Imports the domain only, so that a use case can be read without knowing a driver or a directory.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from directory_sync.domain.account import ActualAccount, DesiredAccount, Names
from directory_sync.domain.fact import Cause, Fact
from directory_sync.domain.guard import ItemState, Key, LiveItem, Wish
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.names import Taken
from directory_sync.domain.outcome import Order, Outcome
from directory_sync.domain.person import Person, Role
from directory_sync.domain.plans import Plan, ShownPlan
from directory_sync.domain.policy import Policy
from directory_sync.domain.view import AccountRow, TargetCounts
from directory_sync.domain.work import (
    AccountWrite,
    Claimed,
    ClassChange,
    Known,
    LookAt,
    PersonChange,
    Retry,
    Review,
    TargetState,
)


class People(Protocol):
    """Persons and classes as the roster last told them."""

    async def put_persons(
        self, district_id: DistrictId, changes: Sequence[PersonChange], *, now: datetime
    ) -> Sequence[PersonId]:
        """Store; returns those whose content is different from before. One change per person."""
        ...

    async def put_classes(
        self, district_id: DistrictId, changes: Sequence[ClassChange], *, now: datetime
    ) -> Sequence[str]:
        """Store; returns the ids of classes that changed. One change per class."""
        ...

    async def due_for_review(
        self, district_id: DistrictId, *, today: date, limit: int
    ) -> Sequence[tuple[Person, Cause]]:
        """Persons whose review date has come, locked until the transaction ends."""
        ...

    async def set_review(self, district_id: DistrictId, reviews: Sequence[Review]) -> None:
        """Store the next review dates."""
        ...


class Marks(Protocol):
    """Who must be looked at in which target."""

    async def set(
        self,
        district_id: DistrictId,
        targets: Sequence[TargetId],
        causes: Mapping[PersonId, Cause],
        *,
        now: datetime,
    ) -> None:
        """Mark; a mark that stands already becomes due at once and keeps its first time."""
        ...

    async def set_everyone(
        self, district_id: DistrictId, target_id: TargetId, *, now: datetime
    ) -> None:
        """Mark every person of the district that is not marked yet, with its last cause."""
        ...

    async def claim(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        limit: int,
        token: str,
        now: datetime,
        lease_until: datetime,
    ) -> Sequence[Claimed]:
        """Take due marks under a lease; live ones alone while there are any."""
        ...

    async def look_at(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        which: LookAt,
        *,
        after: PersonId,
        limit: int,
        since: datetime,
    ) -> Sequence[Claimed]:
        """A page of persons as `claim` would give them, without a lease; `after` "" is the start.

        `since`: what passed a guard after it is not in a guard's backlog.
        """
        ...

    async def add(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        causes: Mapping[PersonId, Cause],
        *,
        now: datetime,
    ) -> None:
        """Mark those without a mark; one that waits for its time goes on waiting."""
        ...

    async def wake(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        people: Sequence[PersonId],
        *,
        now: datetime,
    ) -> None:
        """Make the marks of these people due now."""
        ...

    async def drop_held(
        self, district_id: DistrictId, target_id: TargetId, people: Sequence[PersonId]
    ) -> None:
        """Remove marks that only wait for a plan; one that was set anew meanwhile stays."""
        ...

    async def renew(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        token: str,
        lease_until: datetime,
    ) -> None:
        """Keep what is still under this lease for longer."""
        ...

    async def held(
        self, district_id: DistrictId, target_id: TargetId, *, token: str
    ) -> frozenset[PersonId]:
        """Those still under this lease, locked until the transaction ends."""
        ...

    async def finish(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        done: Mapping[PersonId, int],
        *,
        now: datetime,
    ) -> None:
        """Remove marks of these generations; a newer mark stays and is due at once."""
        ...

    async def retry(
        self, district_id: DistrictId, target_id: TargetId, retries: Sequence[Retry]
    ) -> None:
        """Give the lease back; the mark comes again at its time."""
        ...


class Accounts(Protocol):
    """Our records of accounts, the ledger of names, and what the first read found."""

    async def write(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        writes: Sequence[AccountWrite],
        *,
        now: datetime,
    ) -> None:
        """Store records as given."""
        ...

    async def lock_names(self, district_id: DistrictId, target_id: TargetId) -> None:
        """Keep other planners of this target out until the transaction ends."""
        ...

    async def taken(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        keys: Sequence[str],
        stems: Sequence[str],
    ) -> Taken:
        """Names with one of these keys or stems."""
        ...

    async def hold_names(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        names: Sequence[tuple[PersonId | None, Names]],
        *,
        now: datetime,
    ) -> None:
        """Enter names in the ledger; an owner, once there, is never replaced."""
        ...

    async def disown_username(
        self, district_id: DistrictId, target_id: TargetId, username: str
    ) -> None:
        """Note that an account which is not ours holds this username."""
        ...

    async def keep_found(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        found: Sequence[ActualAccount],
        *,
        now: datetime,
    ) -> None:
        """Keep accounts of the first read, and their names as taken."""
        ...

    async def drop_found(
        self, district_id: DistrictId, target_id: TargetId, account_ids: Sequence[str]
    ) -> None:
        """Forget found accounts that are linked now, so that none is ever linked twice."""
        ...

    async def target_state(
        self, district_id: DistrictId, target_id: TargetId
    ) -> TargetState | None:
        """Where the target stands; None when it was never read whole."""
        ...

    async def note_first_read(
        self, district_id: DistrictId, target_id: TargetId, *, accounts: int, now: datetime
    ) -> None:
        """Remember that the whole target was read."""
        ...

    async def go_live(self, district_id: DistrictId, target_id: TargetId, *, now: datetime) -> None:
        """From now on rounds change the target."""
        ...

    async def read_afresh(self, district_id: DistrictId, target_id: TargetId) -> None:
        """Forget the first read of a target that is not live, so that it is read again."""
        ...

    async def ask_read(
        self, district_id: DistrictId, target_id: TargetId, *, now: datetime
    ) -> None:
        """Somebody wants the whole target read and compared now."""
        ...

    async def begin_read(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        now: datetime,
        last_before: datetime,
        abandoned_before: datetime,
    ) -> bool:
        """Take the reading of a live target that is asked for or due; False when it is neither."""
        ...

    async def end_read(
        self, district_id: DistrictId, target_id: TargetId, *, outcome: str, now: datetime
    ) -> None:
        """Note how the reading ended."""
        ...

    async def known(
        self, district_id: DistrictId, target_id: TargetId, *, unchanged_since: datetime
    ) -> Sequence[Known]:
        """Accounts of ours that nothing of ours touches, or touched since then."""
        ...

    async def count_known(self, district_id: DistrictId, target_id: TargetId) -> int:
        """How many accounts of the target are ours."""
        ...


class Plans(Protocol):
    """Plans that wait for a person, and what was spent without asking."""

    async def live(
        self, district_id: DistrictId, target_id: TargetId, people: Sequence[PersonId]
    ) -> Sequence[LiveItem]:
        """Held wishes about these people that are not at their end."""
        ...

    async def asking(self, district_id: DistrictId, target_id: TargetId, action: str) -> bool:
        """Whether anything of this kind waits for a person."""
        ...

    async def spent(
        self, district_id: DistrictId, target_id: TargetId, action: str, *, since: datetime
    ) -> int:
        """How many passed the guard of this kind since then."""
        ...

    async def passed(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        people: Sequence[PersonId],
        *,
        since: datetime,
    ) -> frozenset[Key]:
        """What of these people passed a guard since then."""
        ...

    async def spend(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        keys: Sequence[Key],
        *,
        now: datetime,
    ) -> None:
        """Note that these pass the guard."""
        ...

    async def population(
        self, district_id: DistrictId, target_id: TargetId, *, since: datetime
    ) -> int:
        """Enabled accounts of the target, as they stood before the budget was spent."""
        ...

    async def gathering(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        action: str | None,
        *,
        since: datetime,
        now: datetime,
    ) -> Plan | None:
        """The open plan of a kind that nobody approved and that grew since then, locked."""
        ...

    async def get(self, districts: Sequence[str], plan_id: str) -> Plan | None:
        """The plan, locked; None when no such district has it."""
        ...

    async def open_ones(self, district_id: DistrictId, target_id: TargetId) -> Sequence[Plan]:
        """Every open plan of the target, oldest first, locked."""
        ...

    async def save(
        self,
        plan: Plan,
        *,
        ended_at: datetime | None = None,
        ended_by: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Store the plan as given, without its items."""
        ...

    async def add_items(self, plan: Plan, wishes: Sequence[Wish], *, state: ItemState) -> None:
        """Add items; none of them may be live in another plan."""
        ...

    async def items(self, plan: Plan, *, state: ItemState) -> Sequence[tuple[Key, str]]:
        """(key, correlation id) of the plan's items in this state."""
        ...

    async def drop_items(self, plan: Plan) -> None:
        """Take all items out, to plan afresh."""
        ...

    async def turn(self, plan: Plan, *, before: ItemState, after: ItemState) -> Sequence[PersonId]:
        """Move the plan's items from one state to another; returns whose they are."""
        ...

    async def lapse_refused(self, district_id: DistrictId, target_id: TargetId) -> None:
        """After a new read of the whole target: what was refused is asked again."""
        ...

    async def end(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        keys: Sequence[Key],
        *,
        state: ItemState,
    ) -> frozenset[str]:
        """Bring live items to their end; returns the plans that held any."""
        ...

    async def forget(
        self,
        district_id: DistrictId,
        *,
        spent_before: datetime,
        steps_before: datetime,
        plans_before: datetime,
    ) -> None:
        """Delete what is older than these."""
        ...


class Unit(Protocol):
    """One transaction."""

    @property
    def people(self) -> People:
        """Persons and classes."""
        ...

    @property
    def marks(self) -> Marks:
        """Who must be looked at."""
        ...

    @property
    def accounts(self) -> Accounts:
        """Records, names and found accounts."""
        ...

    @property
    def plans(self) -> Plans:
        """Plans and budgets."""
        ...

    def emit(self, fact: Fact) -> None:
        """Tell others, if and only if this transaction commits."""
        ...


class Units(Protocol):
    """Where transactions come from. Each commits when its block ends well."""

    def begin(self) -> AbstractAsyncContextManager[Unit]:
        """For reading and planning."""
        ...

    def recording(self) -> AbstractAsyncContextManager[Unit]:
        """For what an outside system has answered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a target's accounts; `total` is what the target says there are in all."""

    accounts: Sequence[ActualAccount]
    total: int


class Target(Protocol):
    """One directory: it lists, and it applies; it decides nothing."""

    def read_all(self) -> AsyncIterator[Page]:
        """Every account, page by page. Raises Retriable when the target is not ready."""
        ...

    async def apply(self, orders: Sequence[Order]) -> Sequence[Outcome]:
        """One outcome per order, in their order. Bounded in time; raises nothing of its own."""
        ...


class Views(Protocol):
    """Reads for operators' pages."""

    async def accounts_of(
        self, person_id: PersonId, targets: Sequence[tuple[DistrictId, TargetId]]
    ) -> Sequence[AccountRow]:
        """One row per target of a district that knows the person."""
        ...

    async def counts(
        self, targets: Sequence[tuple[DistrictId, TargetId]]
    ) -> Sequence[TargetCounts]:
        """One entry per target, in the given order."""
        ...


class PlanViews(Protocol):
    """Reads of plans for operators' pages."""

    async def plans(
        self,
        targets: Sequence[tuple[DistrictId, TargetId]],
        *,
        state: str | None,
        limit: int,
        offset: int,
    ) -> tuple[int, Sequence[ShownPlan]]:
        """How many there are, and a page of them, newest first, each with a sample of items."""
        ...

    async def plan(
        self,
        targets: Sequence[tuple[DistrictId, TargetId]],
        plan_id: str,
        *,
        limit: int,
        offset: int,
    ) -> ShownPlan | None:
        """One plan with a page of its items by person and action."""
        ...


DesiredOf = Callable[[Person, Names, Role], DesiredAccount]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How to reach a target."""

    target_id: TargetId
    url: str
    token: str
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an outside system answered: status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """HTTP as a target room needs it; time-outs, breaker and rate are the implementation's."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float,
    ) -> Answer:
        """Send once. Raises `NotReached` when there is no answer."""
        ...


class NotReached(Exception):
    """No answer came. `maybe_done`: the request may have been carried out all the same."""

    def __init__(self, code: str, *, maybe_done: bool, retry_after_s: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.maybe_done = maybe_done
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """One kind of directory, as its vendor room declares it."""

    kind: str
    desired: DesiredOf
    connect: Callable[[Connection, Transport], Target]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """One configured target: its policy, what it wants, and the way to it."""

    policy: Policy
    desired: DesiredOf
    target: Target
