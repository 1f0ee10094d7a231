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
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.names import Taken
from directory_sync.domain.outcome import Order, Outcome
from directory_sync.domain.person import Person, Role, RosterClass
from directory_sync.domain.policy import Policy
from directory_sync.domain.view import AccountRow, TargetCounts
from directory_sync.domain.work import (
    AccountWrite,
    Claimed,
    ClassChange,
    PersonChange,
    Retry,
    Review,
)
from directory_sync.ports.groups import GroupMarks, Groups, GroupTarget
from directory_sync.ports.plans import Outlook, Plans, Targets
from directory_sync.ports.readings import Readings


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

    async def due_classes(
        self, district_id: DistrictId, *, today: date, limit: int
    ) -> Sequence[tuple[RosterClass, Cause]]:
        """Classes whose review date has come, locked until the transaction ends."""
        ...

    async def set_class_review(
        self, district_id: DistrictId, reviews: Mapping[str, date | None]
    ) -> None:
        """Store the classes' next review dates."""
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

    async def standing(
        self, district_id: DistrictId, target_id: TargetId
    ) -> Sequence[tuple[PersonId, int]]:
        """Every mark of the target with its generation, by person; takes no lease."""
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
        """Store records as given; erased ones leave the ledger of names."""
        ...

    async def taken(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        keys: Sequence[str],
        stems: Sequence[str],
    ) -> Taken:
        """Names with one of these keys or stems; of `keys`, which no person uses any more."""
        ...

    async def hold_names(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        names: Sequence[tuple[PersonId | None, Names]],
        *,
        now: datetime,
    ) -> None:
        """Enter names in the ledger; an owner, once there, is not replaced."""
        ...

    async def pass_on_usernames(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        usernames: Mapping[str, PersonId],
        *,
        now: datetime,
    ) -> None:
        """These keys have these owners from now on, whoever let them go."""
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

    async def forget_found(
        self, district_id: DistrictId, target_id: TargetId, *, before: datetime
    ) -> None:
        """Forget accounts, and names that are no person's, which were last seen before then."""
        ...

    async def bare_found(self, district_id: DistrictId) -> None:
        """Keep keys alone of accounts found in targets that work nothing off any more."""
        ...

    async def drop_found(
        self, district_id: DistrictId, target_id: TargetId, account_ids: Sequence[str]
    ) -> None:
        """Forget found accounts that are linked now, so that none is ever linked twice."""
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

    @property
    def outlook(self) -> Outlook:
        """Persons to plan for without claiming them."""
        ...

    @property
    def readings(self) -> Readings:
        """Full readings of targets."""
        ...

    @property
    def targets(self) -> Targets:
        """Where targets stand."""
        ...

    @property
    def groups(self) -> Groups:
        """Places, groups and memberships."""
        ...

    @property
    def group_marks(self) -> GroupMarks:
        """Which groups must be looked at."""
        ...

    def emit(self, fact: Fact) -> None:
        """Tell others, if and only if this transaction commits."""
        ...


class Units(Protocol):
    """Where transactions come from. Each commits when its block ends well."""

    def begin(self) -> AbstractAsyncContextManager[Unit]:
        """For reading and planning."""
        ...

    def deciding(self) -> AbstractAsyncContextManager[Unit]:
        """For what an operator has decided."""
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
    connect_groups: Callable[[Connection, Transport], GroupTarget] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """One configured target: its policy, what it wants, and the way to it."""

    policy: Policy
    desired: DesiredOf
    target: Target
    groups: GroupTarget | None = None
