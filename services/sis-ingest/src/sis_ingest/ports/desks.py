"""Reads outside any transaction of ours, for doors, loops and readiness."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sis_ingest.domain.entities import Entity
from sis_ingest.domain.flips import Waiting
from sis_ingest.domain.guards import Hold
from sis_ingest.domain.identity import Decision, Meaning
from sis_ingest.domain.replays import Replay
from sis_ingest.domain.runs import Run
from sis_ingest.domain.suggestions import Suggestion


class HoldDesk(Protocol):
    """Reads of holds outside any transaction of ours."""

    async def page(
        self,
        districts: Collection[str] | None,
        source_id: str | None,
        state: str | None,
        *,
        limit: int,
        offset: int,
    ) -> tuple[int, Sequence[Hold]]:
        """(how many there are, one page, newest first); None means all of them."""
        ...

    async def get(self, hold_id: str) -> Hold | None:
        """The hold, or None. `hold_id` may be any text."""
        ...

    async def flip(self, hold: Hold) -> Waiting | None:
        """The flip that waits with a hold, if it is of one."""
        ...

    async def items(self, hold: Hold, *, limit: int, offset: int) -> Sequence[str | None]:
        """A page of our ids of what is held, the outside id where there is none yet.

        None stands for an outside id that may be an address and is not told. In the order of the
        outside ids.
        """
        ...

    async def approved(self, *, resting: Collection[str] = ()) -> Hold | None:
        """The oldest approved hold with items not done yet, but for the ids `resting`."""
        ...

    async def due(self, now: datetime) -> Sequence[Hold]:
        """Open holds whose time is over."""
        ...


class ReplayDesk(Protocol):
    """Reads of replays outside any transaction of ours."""

    async def get(self, replay_id: str) -> Replay | None:
        """The replay, or None. `replay_id` may be any text."""
        ...

    async def open(self, last: Sequence[str]) -> Replay | None:
        """The oldest replay that waits or was left running; one of `last` if there is no other,
        in their order.
        """
        ...


class CrosswalkDesk(Protocol):
    """Reads of the crosswalk outside any transaction of ours."""

    async def history(
        self, district_id: str, space: Entity, ids: Sequence[str]
    ) -> Sequence[Meaning]:
        """See `Crosswalk.history`."""
        ...

    async def decision(self, decision_id: str) -> Decision | None:
        """A decision of any district, or None. `decision_id` may be any text."""
        ...


class SuggestionDesk(Protocol):
    """Reads of suggestions outside any transaction of ours."""

    async def page(
        self, districts: Collection[str] | None, state: str | None, *, limit: int, offset: int
    ) -> tuple[int, Sequence[Suggestion]]:
        """(how many there are, one page, newest first); None means all of them."""
        ...

    async def get(self, suggestion_id: str) -> Suggestion | None:
        """The suggestion, or None. `suggestion_id` may be any text."""
        ...


class RunDesk(Protocol):
    """Reads of runs and of the inbox outside any transaction of ours."""

    async def get(self, run_id: str) -> Run | None:
        """The run, or None. `run_id` may be any text."""
        ...

    async def open(self, source_ids: Sequence[str]) -> Sequence[Run]:
        """The oldest run of each of these sources that waits or was left running, oldest first."""
        ...

    async def page(
        self,
        districts: Collection[str] | None,
        source_id: str | None,
        state: str | None,
        *,
        limit: int,
        offset: int,
    ) -> tuple[int, Sequence[Run]]:
        """(how many there are, one page, newest first); None means all of them."""
        ...

    async def successes(self) -> Mapping[str, datetime]:
        """When each source was last heard of with success; who never was is left out."""
        ...

    async def sources_waiting(self) -> Sequence[str]:
        """Ids of the sources with webhooks not applied yet."""
        ...
