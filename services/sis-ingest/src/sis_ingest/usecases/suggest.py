"""Suggest: two of our ids may be one, and a person should say. Links nothing.

Runs inside the caller's unit and never commits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sis_ingest.domain.changes import Cause
from sis_ingest.domain.events import SuggestionMoved
from sis_ingest.domain.publish import Resolved, ResolvedKey
from sis_ingest.domain.suggestions import Alike
from sis_ingest.ports import Clock, Ids, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggest:
    """Keeps suggestions, one for each pair for life: what was dismissed is not suggested again."""

    clock: Clock
    ids: Ids

    async def __call__(
        self, unit: Unit, district_id: str, pairs: Iterable[Alike], *, cause: Cause
    ) -> None:
        """Keeps and tells those that are new. Source: ADR 0014."""
        fresh = [
            pair.suggested(district_id, self.ids.new_id(), at=self.clock.now())
            for pair in dict.fromkeys(pairs)
        ]
        for suggestion in await unit.suggestions.add(fresh) if fresh else ():
            unit.emit(SuggestionMoved(moment="suggested", suggestion=suggestion, cause=cause))

    async def same_people(
        self, unit: Unit, district_id: str, person_ids: Sequence[str], *, cause: Cause
    ) -> None:
        """Suggests whoever is called as these people and was born on the same day."""
        if person_ids:
            pairs = await unit.suggestions.same_name_and_birth_date(district_id, person_ids)
            await self(unit, district_id, pairs, cause=cause)


def new_people(
    records: Iterable[Resolved], before: Mapping[ResolvedKey, Resolved]
) -> Sequence[str]:
    """Ids of people who are new, or whose birth date is, of resolved records just stored."""
    found: dict[str, None] = {}
    for record in records:
        old = before.get((record.entity, record.entity_id))
        born = record.record.get("birthDate")
        if not record.deleted and (
            (record.entity == "user" and old is None)
            or (
                record.entity == "demographics"
                and born is not None
                and (old is None or old.record.get("birthDate") != born)
            )
        ):
            found[record.entity_id] = None
    return list(found)
