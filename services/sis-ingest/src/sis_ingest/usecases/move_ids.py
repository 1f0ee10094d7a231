"""Move ids: some of our ids become others, and everything that carries them is told again.

The one way in which an id of ours ends, for an operator's merge and for an id that was given to
a mere reference before its person was recognised. Runs inside the caller's unit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sis_ingest.domain.authority import to_said
from sis_ingest.domain.changes import Cause
from sis_ingest.domain.entities import IMPORT_ORDER, Entity, id_space
from sis_ingest.domain.events import OutsideIdMerged, UserKeyChanged
from sis_ingest.domain.identity import Meaning, Moved
from sis_ingest.domain.publish import Published, Said, publish
from sis_ingest.domain.references import IdKey, ids_in, with_ids
from sis_ingest.ports import Clock, Unit
from sis_ingest.usecases.speaking import spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why ids become others: see `domain.identity.Meaning`."""

    match_rule: str
    decided_by: str
    key_change: Literal["merge", "sis_migration"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveIds:
    """`pairs` maps an id that ends to the one that stays; no id may stand on both sides."""

    clock: Clock

    async def plan(
        self, unit: Unit, district_id: str, space: Entity, pairs: Mapping[str, str], cause: Cause
    ) -> Published:
        """What would be told: the kept records, the ended ones, all that refer to them."""
        moved: Mapping[IdKey, str] = {(space, old): new for old, new in pairs.items()}
        entities = [entity for entity in IMPORT_ORDER if id_space(entity) == space]
        kept = [(entity, new) for entity in entities for new in dict.fromkeys(pairs.values())]
        ended = [(entity, old) for entity in entities for old in pairs]
        authority = await unit.authority.of(district_id)
        now = await spoken(unit, district_id, kept, moved=moved, authority=authority)
        said = [to_said(key, one, cause=cause) for key, one in now.items()]
        before = dict(await unit.records.resolved(district_id, [*kept, *ended]))
        done = {*kept, *ended}
        for record in await unit.voices.referring(district_id, space, list(pairs)):
            key = (record.entity, record.entity_id)
            if key in done:
                continue
            before[key] = record
            ids = {k: moved.get(k, k[1]) for k in ids_in(record.entity, record.record)}
            said.append(
                Said(
                    entity=record.entity,
                    entity_id=record.entity_id,
                    record=with_ids(record.entity, record.record, ids),
                    cause=cause,
                )
            )
        # Last, so that nothing points at a record that is gone.
        said += [
            Said(
                entity=entity,
                entity_id=old,
                record=None,
                cause=cause,
                gone="merged",
                merged_into=pairs[old],
            )
            for entity, old in ended
        ]
        return publish(district_id, said, before)

    async def __call__(
        self,
        unit: Unit,
        district_id: str,
        space: Entity,
        pairs: Mapping[str, str],
        *,
        cause: Cause,
        reason: Reason,
    ) -> Published:
        """What was told. Never commits; the unit must hold the district's lock.

        For ids that have not ended yet: the callers ask the crosswalk first.
        Source: blueprint "Who owns what", invariant 8; ADR 0014.
        """
        published = await self.plan(unit, district_id, space, pairs, cause)
        now = self.clock.now()
        before = await unit.crosswalk.history(district_id, space, list(pairs.values()))
        moved = await unit.crosswalk.move(
            district_id,
            space,
            pairs,
            match_rule=reason.match_rule,
            decided_by=reason.decided_by,
            now=now,
        )
        if published.records:
            await unit.records.write_resolved(district_id, published.records, now=now)
        for event in published.events:
            unit.emit(event)
        for one in moved:
            unit.emit(
                OutsideIdMerged(
                    district_id=district_id,
                    cause=cause,
                    entity=space,
                    entity_id=one.entity_id,
                    merged_id=one.was,
                    source_id=one.source_id,
                    external_id=one.external_id,
                    match_rule=reason.match_rule,
                    decided_by=reason.decided_by,
                )
            )
        if space == "user":
            for keys in _key_changes(district_id, before, moved, cause, reason):
                unit.emit(keys)
        return published


def _key_changes(
    district_id: str,
    before: Sequence[Meaning],
    moved: Sequence[Moved],
    cause: Cause,
    reason: Reason,
) -> Iterator[UserKeyChanged]:
    """The outside ids of each person, before and after."""
    for person_id in dict.fromkeys(one.entity_id for one in moved):
        old = [m.external_id for m in before if m.valid_to is None and m.entity_id == person_id]
        new = [one.external_id for one in moved if one.entity_id == person_id]
        yield UserKeyChanged(
            district_id=district_id,
            cause=cause,
            person_id=person_id,
            old_keys=tuple(sorted(set(old))),
            new_keys=tuple(sorted({*old, *new})),
            reason=reason.key_change,
        )
