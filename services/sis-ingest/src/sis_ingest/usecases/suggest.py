"""Suggest: two of our ids may be one, and a person should say. Links nothing.

Runs inside the caller's unit and never commits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sis_ingest.domain.changes import Cause
from sis_ingest.domain.events import SuggestionMoved
from sis_ingest.domain.match_keys import match_keys
from sis_ingest.domain.publish import Resolved, ResolvedKey
from sis_ingest.domain.suggestions import Alike
from sis_ingest.ports import Clock, Ids
from sis_ingest.ports.units import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggest:
    """Keeps suggestions, one for each pair for life: what was dismissed is not suggested again."""

    clock: Clock
    ids: Ids

    async def __call__(self, unit: Unit, district_id: str, pairs: Mapping[Alike, Cause]) -> None:
        """Keeps and tells those that are new, each with what made it. Source: ADR 0014."""
        fresh = {self.ids.new_id(): (pair, cause) for pair, cause in pairs.items()}
        found = [
            pair.suggested(district_id, one, at=self.clock.now())
            for one, (pair, _) in fresh.items()
        ]
        for suggestion in await unit.suggestions.add(found) if found else ():
            cause = fresh[suggestion.suggestion_id][1]
            unit.emit(SuggestionMoved(moment="suggested", suggestion=suggestion, cause=cause))

    async def same_people(self, unit: Unit, district_id: str, people: Mapping[str, Cause]) -> None:
        """Suggests whoever is called as these people and was born on the same day."""
        if people:
            found = await unit.suggestions.same_name_and_birth_date(district_id, list(people))
            pairs = {
                pair: people[pair.one_id if pair.one_id in people else pair.other_id]
                for pair in found
            }
            await self(unit, district_id, pairs)


def new_people(
    records: Iterable[Resolved], before: Mapping[ResolvedKey, Resolved]
) -> Sequence[str]:
    """Ids of people who are new, or whose name or birth date is, of records just stored."""
    found: dict[str, None] = {}
    for record in records:
        old = before.get((record.entity, record.entity_id))
        born = record.record.get("birthDate")
        if not record.deleted and (
            (record.entity == "user" and (old is None or _name(old) != _name(record)))
            or (
                record.entity == "demographics"
                and born is not None
                and (old is None or old.record.get("birthDate") != born)
            )
        ):
            found[record.entity_id] = None
    return list(found)


def _name(record: Resolved) -> str | None:
    return match_keys("user", record.record).name
