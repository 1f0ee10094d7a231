"""The stores of ids and of what stands behind them: as those in stores.py, never committing.

A port of this service like those beside it; imports the domain only.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.identity import Decision, Meaning, Moved
from sis_ingest.domain.match_keys import MatchKeys
from sis_ingest.domain.matching import Holder
from sis_ingest.domain.publish import Resolved, ResolvedKey, Voice
from sis_ingest.domain.references import IdKey
from sis_ingest.domain.runs import Run
from sis_ingest.domain.snapshots import Listing, Repeated, StagedRow
from sis_ingest.domain.suggestions import Alike, Suggestion, SuggestionState


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

    async def holders(
        self, district_id: str, space: Entity, keys: Sequence[MatchKeys]
    ) -> Sequence[Holder]:
        """The records, active or gone, that carry any of these keys; legacy ids do not count here.

        What carried them under an id that ended in a merge counts for the id that stands for it.
        """
        ...

    async def live(
        self, place: Place, space: Entity, entity_ids: Sequence[str]
    ) -> Mapping[str, frozenset[str]]:
        """The outside ids of live records of this source behind our ids; absent where none is.

        One that was linked lives, also while its record is not written yet.
        """
        ...

    async def rekey(
        self,
        place: Place,
        space: Entity,
        replaced: Mapping[str, str],
        *,
        at: datetime,
        delivery_id: str,
    ) -> None:
        """The source's live records under each id stand under its new one, demographics with them.

        So nobody is gone, and nothing told is lost, until the source words the record anew.
        """
        ...

    async def staged_strangers(
        self, run: Run, space: Entity, *, after: str, limit: int
    ) -> Sequence[StagedRow]:
        """The next staged rows, by outside id, that the source never told us of before.

        Empty at once while the district has nothing that they could be.
        """
        ...

    async def staged_listing(
        self, run: Run, space: Entity, external_ids: Sequence[str], *, whole: bool
    ) -> Listing:
        """Which of these outside ids the run's list names, and which it says are gone.

        A `whole` one says so also of those that it leaves out, and names all others. It says
        nothing of records that changed since its moment, nor when a newer one was applied.
        """
        ...

    async def rekeyed(self, run: Run) -> int:
        """The people that a staged run names by another id, linked since it first started."""
        ...

    async def referring(
        self, district_id: str, space: Entity, entity_ids: Sequence[str]
    ) -> Sequence[Resolved]:
        """The live resolved records that refer to any of these ids, by key. Reads many rows."""
        ...


class Pairs(Protocol):
    """Outside ids that a whole staged list has in place of others, as of the run's moment.

    They are found once for a run, and forgotten with its staged rows.
    """

    async def keep_enrollments(self, run: Run) -> bool:
        """Finds those of one person in one class and role under a new id; whether there are any.

        In our ids, and only where one replaces one.
        """
        ...

    async def keep_returned(self, run: Run, entity: Entity) -> bool:
        """Finds ids that the source ended and names again in place of a later one of the same."""
        ...

    async def page(self, run: Run, entity: Entity, *, after: str, limit: int) -> Sequence[Repeated]:
        """The next pairs by new id, but for those of which something newer came meanwhile."""
        ...


class Suggestions(Protocol):
    """Pairs of our ids that may be one."""

    async def add(self, suggestions: Sequence[Suggestion]) -> Sequence[Suggestion]:
        """Keeps those whose pair was never suggested before: these."""
        ...

    async def same_name_and_birth_date(
        self, district_id: str, person_ids: Sequence[str]
    ) -> Sequence[Alike]:
        """Others of one kind who are called as these people and were born on the same day.

        Active or gone, but for ids that ended, and for those whose state ids say otherwise. Nobody
        for a name and day that many share.
        """
        ...

    async def get(self, district_id: str, suggestion_id: str) -> Suggestion | None:
        """A suggestion, whatever its state."""
        ...

    async def decide(
        self, suggestion: Suggestion, state: SuggestionState, *, decided_by: str, now: datetime
    ) -> Suggestion:
        """The suggestion as it was decided; kept so also if its pair was never suggested."""
        ...

    async def decide_all(
        self,
        suggestions: Sequence[Suggestion],
        state: SuggestionState,
        *,
        decided_by: str,
        now: datetime,
    ) -> Sequence[Suggestion]:
        """`decide` of many; of one district, each pair once."""
        ...

    async def open_among(
        self, district_id: str, entity: Entity, ids: Sequence[str]
    ) -> Sequence[Suggestion]:
        """The open suggestions of two of these ids."""
        ...
