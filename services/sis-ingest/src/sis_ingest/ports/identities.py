"""The stores of ids and of what stands behind them: as those in stores.py, never committing.

A port of this service like those beside it; imports the domain only.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.identity import Decision, Meaning, Moved
from sis_ingest.domain.matching import Holder, MatchKeys
from sis_ingest.domain.publish import Resolved, ResolvedKey, Voice
from sis_ingest.domain.references import IdKey
from sis_ingest.domain.runs import Run
from sis_ingest.domain.snapshots import StagedRow


class Crosswalk(Protocol):
    """Which outside id means which of ours."""

    async def find(self, place: Place, keys: Sequence[IdKey]) -> Mapping[IdKey, str]:
        """Our ids for the source's; unknown ones are left out."""
        ...

    async def taken(self, district_id: str, ids: Sequence[IdKey]) -> frozenset[IdKey]:
        """Which of these ids of ours were ever given out in the district."""
        ...

    async def link(
        self,
        place: Place,
        ids: Mapping[IdKey, str],
        *,
        rules: Mapping[IdKey, str],
        now: datetime,
    ) -> None:
        """Records new meanings; none of the outside ids may have one yet.

        `rules` names the match rule where there was one; else the id rule gave the id.
        """
        ...

    async def shared(self, district_id: str, ids: Sequence[IdKey]) -> frozenset[IdKey]:
        """Which of these ids of ours more than one outside id means today."""
        ...

    async def move(self, decision: Decision, moves: Sequence[Moved]) -> None:
        """Keeps a decision: the outside ids stop to mean `was` and begin to mean `entity_id`.

        Both meanings stand in the history.
        """
        ...

    async def decision(self, decision_id: str) -> Decision | None:
        """A decision, or None."""
        ...

    async def moved_by(self, district_id: str, decision_id: str) -> Sequence[Moved]:
        """What a decision moved."""
        ...

    async def history(
        self, district_id: str, space: Entity, ids: Sequence[str]
    ) -> Sequence[Meaning]:
        """Every meaning, over time, of each outside id that ever meant one of `ids`."""
        ...


class Voices(Protocol):
    """What stands behind resolved records, and around them."""

    async def behind(self, district_id: str, keys: Sequence[ResolvedKey]) -> Sequence[Voice]:
        """All source records behind these resolved records, live or gone."""
        ...

    async def holders(self, district_id: str, keys: Sequence[MatchKeys]) -> Sequence[Holder]:
        """The people, active or gone, who carry any of these keys."""
        ...

    async def live_users(
        self, place: Place, entity_ids: Sequence[str]
    ) -> Mapping[str, Sequence[str]]:
        """The outside ids of live users of this source behind our ids; absent where none is."""
        ...

    async def retire_users(
        self, place: Place, external_ids: Sequence[str], *, at: datetime, delivery_id: str
    ) -> None:
        """Marks users of the source as gone whose outside id was replaced by another."""
        ...

    async def staged_strangers(self, run: Run, *, after: str, limit: int) -> Sequence[StagedRow]:
        """The next staged users, by outside id, that the source never sent before.

        Empty at once while the district has nobody whom they could be.
        """
        ...

    async def staged_absent(self, run: Run, external_ids: Sequence[str]) -> frozenset[str]:
        """Which of these users the run's list leaves out, or says are gone, as of its moment.

        The list says nothing of records that changed since, nor when a newer one was applied.
        """
        ...

    async def referring(
        self, district_id: str, space: Entity, entity_ids: Sequence[str]
    ) -> Sequence[Resolved]:
        """The live resolved records that refer to any of these ids, by key. Reads many rows."""
        ...
