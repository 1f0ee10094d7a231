"""What plans and the targets they are for need from outside. Imports the domain only."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from directory_sync.domain.fact import Cause
from directory_sync.domain.group import GroupKey
from directory_sync.domain.guard import Budget, Wish
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.plans import Item, ItemState, Plan, PlanKind, ShownPlan
from directory_sync.domain.policy import Policy
from directory_sync.domain.target_state import TargetState
from directory_sync.domain.work import Claimed


class Plans(Protocol):
    """Plans that wait for a person, their items, and what was spent without asking.

    Who writes holds the target (`Targets.lock`) or, for removals from groups, its removals
    (`Targets.lock_removals`), except for `finish` and `finish_items`.
    """

    async def stands(
        self, district_id: DistrictId, target_id: TargetId, people: Sequence[PersonId]
    ) -> Mapping[Item, ItemState]:
        """Live items about these people's accounts."""
        ...

    async def stands_in(
        self, district_id: DistrictId, target_id: TargetId, groups: Sequence[GroupKey]
    ) -> Mapping[Item, ItemState]:
        """Live removals from these groups."""
        ...

    async def passed(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        people: Sequence[PersonId],
        *,
        since: datetime,
    ) -> frozenset[PersonId]:
        """Whose disable cost budget since then."""
        ...

    async def budget(
        self, district_id: DistrictId, target_id: TargetId, *, since: datetime
    ) -> Budget:
        """What disables have of the target."""
        ...

    async def spend(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        people: Sequence[PersonId],
        *,
        now: datetime,
    ) -> None:
        """Note that these are disabled without asking."""
        ...

    async def get(self, district_id: DistrictId, target_id: TargetId, plan_id: str) -> Plan | None:
        """One plan."""
        ...

    async def latest(
        self, district_id: DistrictId, target_id: TargetId, kind: PlanKind
    ) -> Plan | None:
        """The youngest plan of a kind, whatever became of it."""
        ...

    async def overdue(self, district_id: DistrictId, *, now: datetime) -> Sequence[Plan]:
        """Open plans whose time is over."""
        ...

    async def emptied(self, district_id: DistrictId) -> Sequence[Plan]:
        """Open plans, but for first connections, in which nothing waits any more."""
        ...

    async def save(self, plan: Plan) -> None:
        """Store a plan as given, without its items."""
        ...

    async def waiting(self, plan: Plan) -> Mapping[Item, Cause]:
        """Items that wait, and what each goes back to."""
        ...

    async def add(self, plan: Plan, wishes: Sequence[Wish]) -> None:
        """Put wishes into a plan; none may be live in another."""
        ...

    async def turn(self, plan: Plan, *, state: ItemState) -> None:
        """Give every waiting item of the plan another state."""
        ...

    async def end(
        self, district_id: DistrictId, target_id: TargetId, items: Iterable[Item]
    ) -> None:
        """No longer wanted: live items leave their plans."""
        ...

    async def finish(
        self, district_id: DistrictId, target_id: TargetId, people: Sequence[PersonId]
    ) -> None:
        """Done: what was released about these people's accounts is at its end."""
        ...

    async def finish_items(
        self, district_id: DistrictId, target_id: TargetId, items: Sequence[Item]
    ) -> None:
        """Done: those of these items that were released are at their end."""
        ...

    async def forget(
        self,
        district_id: DistrictId,
        *,
        spent_before: datetime,
        steps_before: datetime,
        ended_before: datetime,
    ) -> None:
        """Delete what was spent, steps, and plans that ended without a live item, before these."""
        ...


class Outlook(Protocol):
    """Persons as `Marks.claim` would give them, without a lease; pages by person id from ""."""

    async def everyone(
        self, district_id: DistrictId, target_id: TargetId, *, after: PersonId, limit: int
    ) -> Sequence[Claimed]:
        """A page of all persons of the district."""
        ...

    async def leaving(
        self, policy: Policy, *, today: date, passed_since: datetime, after: PersonId, limit: int
    ) -> Sequence[Claimed]:
        """A page of marked persons with an enabled account and without a role that counts, whom
        neither a plan nor a budget spent since then decides about; the domain says who leaves.
        """
        ...


class Targets(Protocol):
    """Where each target stands."""

    async def lock(self, district_id: DistrictId, target_id: TargetId) -> None:
        """Keep everybody else who plans or decides for this target out until the end.

        Marks that are not one's own are set before, never after: who holds the target waits for
        nobody's marks.
        """
        ...

    async def lock_removals(self, district_id: DistrictId, target_id: TargetId) -> None:
        """Keep everybody else who judges or decides removals from groups out until the end.

        Taken last, after marks and after `GroupMarks.claim`; who holds it waits for nobody.
        """
        ...

    async def state(self, district_id: DistrictId, target_id: TargetId) -> TargetState | None:
        """None when the target was never read whole."""
        ...

    async def note_first_read(
        self, district_id: DistrictId, target_id: TargetId, *, accounts: int, now: datetime
    ) -> None:
        """Remember that the whole target was read."""
        ...

    async def read_afresh(self, district_id: DistrictId, target_id: TargetId) -> None:
        """Forget the first reading of a target that is not live, so that it is read again."""
        ...

    async def go_live(self, district_id: DistrictId, target_id: TargetId, *, now: datetime) -> None:
        """From now on rounds change the target."""
        ...


class PlanViews(Protocol):
    """Reads of plans for operators' pages."""

    async def page(
        self,
        targets: Sequence[tuple[DistrictId, TargetId]],
        *,
        state: str | None,
        limit: int,
        offset: int,
    ) -> tuple[int, Sequence[ShownPlan]]:
        """How many there are, and a page of them, newest first, each with a sample of items."""
        ...

    async def one(
        self,
        targets: Sequence[tuple[DistrictId, TargetId]],
        plan_id: str,
        *,
        limit: int,
        offset: int,
    ) -> ShownPlan | None:
        """One plan with a page of its items by person and action."""
        ...
