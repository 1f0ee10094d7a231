"""What deriving needs: the queue of marks, and states and lifecycle inside one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from roster_publisher.domain.causes import CauseLine
from roster_publisher.domain.class_moves import Attended, ClassMove
from roster_publisher.domain.lifecycle import Standing, Step
from roster_publisher.domain.people import Class, OrgFacts, Person, PersonFacts
from roster_publisher.domain.publication import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtyMark:
    """A person or class whose state must be worked out again, and why.

    `merged_into` is the id that stands for a person whose own id ended.
    """

    id: str
    cause: Cause
    force: bool
    merged_into: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonHeld:
    """What was concluded about a person last; `left_cause` is why somebody is settling."""

    state_hash: bytes | None
    standing: Standing
    left_cause: Cause | None
    attended: Attended


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonConclusion:
    """What is to be kept of a person from now on.

    `emitted` is the cause of a state emitted now, `stepped` that of a step taken now; None leaves
    what was kept of the last one.
    """

    person_id: str
    state_hash: bytes
    standing: Standing
    left_cause: Cause | None
    next_date: date | None
    attended: Attended
    emitted: Cause | None
    step: str | None
    stepped: Cause | None


class StateUnit(Protocol):
    """Derived states inside one open transaction. Nothing here commits."""

    async def claim_people(self, *, now: datetime, limit: int) -> tuple[str, Sequence[DirtyMark]]:
        """Take up to `limit` ready people of one district out of the queue, live ones first."""
        ...

    async def claim_classes(self, *, now: datetime, limit: int) -> tuple[str, Sequence[DirtyMark]]:
        """Take up to `limit` ready classes of one district out of the queue."""
        ...

    async def revision(self, district_id: str) -> int:
        """The district's published revision."""
        ...

    async def people(self, district_id: str, ids: Sequence[str]) -> Sequence[PersonFacts]:
        """Shown users among `ids` with their active enrolments."""
        ...

    async def orgs(self, district_id: str, ids: Iterable[str]) -> Mapping[str, OrgFacts]:
        """Shown orgs among `ids`."""
        ...

    async def held(self, district_id: str, ids: Sequence[str]) -> Mapping[str, PersonHeld]:
        """What was concluded about `ids` last."""
        ...

    async def keep_people(
        self,
        district_id: str,
        conclusions: Sequence[PersonConclusion],
        *,
        revision: int,
        now: datetime,
    ) -> None:
        """Store conclusions, one per person."""
        ...

    async def classes(self, district_id: str, ids: Sequence[str]) -> Sequence[Class]:
        """State of the shown classes among `ids`."""
        ...

    async def class_hashes(self, district_id: str, ids: Sequence[str]) -> Mapping[str, bytes]:
        """Hash of the state emitted last, per class."""
        ...

    async def keep_causes(
        self, district_id: str, lines: Sequence[CauseLine], *, revision: int, at: datetime
    ) -> None:
        """Keep what the commit did, by correlation id."""
        ...

    async def keep_classes(
        self, district_id: str, hashes: Mapping[str, bytes], *, revision: int
    ) -> None:
        """Store the hashes of the states emitted."""
        ...

    def emit_person(self, district_id: str, person: Person, *, revision: int, cause: Cause) -> None:
        """Stage the person's state for the log."""
        ...

    def emit_class(self, district_id: str, state: Class, *, revision: int, cause: Cause) -> None:
        """Stage the class's state for the log."""
        ...

    def emit_step(
        self, district_id: str, person_id: str, step: Step, *, at: datetime, cause: Cause
    ) -> None:
        """Stage a lifecycle fact for the log."""
        ...

    def emit_class_move(
        self, district_id: str, person_id: str, move: ClassMove, *, cause: Cause
    ) -> None:
        """Stage a change of class for the log."""
        ...


class StateUnits(Protocol):
    """Opens transactions on derived states."""

    def begin(self) -> AbstractAsyncContextManager[StateUnit]:
        """A transaction that commits when its block ends well."""
        ...


class DirtyQueue(Protocol):
    """Marks whole groups of people and classes; each call is one transaction and commits."""

    async def mark_all(self, district_id: str, *, correlation_id: str, now: datetime) -> int:
        """Mark every person and class of the district to be emitted again; returns how many."""
        ...

    async def mark_left_due(self, *, now: datetime, correlation_id: str) -> int:
        """Mark people whose settle time is over."""
        ...

    async def mark_dates_due(
        self, district_id: str, *, today: date, now: datetime, correlation_id: str
    ) -> int:
        """Mark people for whom a role or enrolment begins or ends by `today`."""
        ...

    async def districts(self) -> Sequence[str]:
        """Every district that has published something."""
        ...

    def ring(self) -> None:
        """Tell the deriver that there may be work."""
        ...
