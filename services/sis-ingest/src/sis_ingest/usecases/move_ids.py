"""Move ids: outside ids mean others of our ids, and everything that carries them is told again.

The one way in which a meaning ends: for what operators decide, and for an id that was given to a
mere reference before its record was recognised. Runs inside the caller's unit.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TypeAlias

from sis_ingest.domain.authority import to_said
from sis_ingest.domain.changes import Cause
from sis_ingest.domain.entities import IMPORT_ORDER, Entity, id_space
from sis_ingest.domain.events import (
    KeyChange,
    OutsideIdMerged,
    OutsideIdSplit,
    SuggestionMoved,
    UserKeyChanged,
)
from sis_ingest.domain.flips import Flip, retelling
from sis_ingest.domain.identity import (
    Decision,
    DecisionKind,
    Meaning,
    Moved,
    current,
    stand_ins,
)
from sis_ingest.domain.publish import Published, Resolved, ResolvedKey, Said, publish
from sis_ingest.domain.suggestions import alike
from sis_ingest.ports import Clock, Ids
from sis_ingest.ports.units import Unit
from sis_ingest.usecases.speaking import spoken

# Which of these may not fall silent yet, given the records that stand.
GuardSilence: TypeAlias = Callable[
    [Sequence[Said], Mapping[ResolvedKey, Resolved]], Awaitable[Set[ResolvedKey]]
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why ids become others: see `domain.identity.Decision`."""

    kind: DecisionKind
    match_rule: str
    decided_by: str
    key_change: KeyChange
    undoes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveIds:
    """Moves outside ids between ids of ours, and keeps the decision."""

    clock: Clock
    ids: Ids

    async def __call__(
        self,
        unit: Unit,
        district_id: str,
        space: Entity,
        moves: Sequence[Moved],
        *,
        cause: Cause,
        reason: Reason,
        guard: GuardSilence | None = None,
    ) -> tuple[Decision, Published]:
        """The decision, and what was told. Never commits; the unit must hold the district's lock.

        What `guard` stops from falling silent is told as its oldest source has it; without one the
        caller judges what was told.

        Each outside id must mean its `was` today. What has no outside id left afterwards is gone
        as `merged`; what gets one again lives again. Source: blueprint "Who owns what",
        invariant 8; ADR 0014.
        """
        decision = Decision(
            decision_id=self.ids.new_id(),
            district_id=district_id,
            entity=space,
            kind=reason.kind,
            match_rule=reason.match_rule,
            decided_by=reason.decided_by,
            decided_at=self.clock.now(),
            correlation_id=cause.correlation_id,
            undoes=reason.undoes,
        )
        ours = list(dict.fromkeys(one for move in moves for one in (move.entity_id, move.was)))
        referring = await unit.voices.referring(district_id, space, [move.was for move in moves])
        before = current(await unit.crosswalk.history(district_id, space, ours))
        await unit.crosswalk.move(decision, moves)
        after = current(await unit.crosswalk.history(district_id, space, ours))
        keys = [
            (entity, one) for entity in IMPORT_ORDER if id_space(entity) == space for one in ours
        ]
        others = [(record.entity, record.entity_id) for record in referring]
        ended = {move.was: move.entity_id for move in moves if move.was not in after}
        gone = {key: ended[key[1]] for key in keys if key[1] in ended}
        said = await _said(unit, district_id, list(dict.fromkeys([*keys, *others])), gone, cause)
        stored = await unit.records.resolved(district_id, keys)
        known = {(record.entity, record.entity_id): record for record in referring} | dict(stored)
        published = await _publish(unit, decision, said, known, guard)
        for move in moves:
            unit.emit(_told(decision, move, cause, ended=move.was in ended))
        await self._part(unit, decision, moves, set(ended))
        await _answer(unit, decision, ours, cause)
        if space == "org":
            await self._respeak(unit, decision)
        if space == "user":
            for changed in _key_changes(district_id, before, after, cause, reason):
                unit.emit(changed)
        return decision, published

    async def _respeak(self, unit: Unit, decision: Decision) -> None:
        """Who speaks depends on schools: with other ones, every record is asked in its turn.

        It is weighed before it begins: what others would lose by it may be too much.
        """
        authority = await unit.authority.of(decision.district_id)
        if authority.sources:
            await unit.authority.save(
                Flip(
                    flip_id=self.ids.new_id(),
                    order=retelling(decision.district_id),
                    decided_by=decision.decided_by,
                    correlation_id=decision.correlation_id,
                    asked_at=decision.decided_at,
                )
            )

    async def _part(
        self, unit: Unit, decision: Decision, moves: Sequence[Moved], ended: Set[str]
    ) -> None:
        """Who was parted is not suggested again."""
        pairs = dict.fromkeys(
            alike(decision.entity, move.was, move.entity_id, "operator")
            for move in moves
            if move.was not in ended
        )
        parted = [
            pair.suggested(decision.district_id, self.ids.new_id(), at=decision.decided_at)
            for pair in pairs
        ]
        await unit.suggestions.decide_all(
            parted, "dismissed", decided_by=decision.decided_by, now=decision.decided_at
        )

    async def joining(
        self, unit: Unit, district_id: str, space: Entity, pairs: Mapping[str, str]
    ) -> Sequence[Moved]:
        """The moves that end each key of `pairs` for its value."""
        history = await unit.crosswalk.history(district_id, space, list(pairs))
        return [
            Moved(source_id=m.source_id, external_id=m.external_id, was=old, entity_id=pairs[old])
            for old, meanings in current(history).items()
            if old in pairs
            for m in meanings
        ]


async def _said(
    unit: Unit,
    district_id: str,
    keys: Sequence[ResolvedKey],
    ended: Mapping[ResolvedKey, str],
    cause: Cause,
) -> Sequence[Said]:
    """What is true now."""
    authority = await unit.authority.of(district_id)
    now = await spoken(
        unit, district_id, [key for key in keys if key not in ended], authority=authority
    )
    return [
        replace(
            to_said(key, now.get(key), cause=cause, gone="merged" if key in ended else None),
            merged_into=ended.get(key),
        )
        for key in keys
    ]


async def _publish(
    unit: Unit,
    decision: Decision,
    said: Sequence[Said],
    before: Mapping[ResolvedKey, Resolved],
    guard: GuardSilence | None,
) -> Published:
    """What is new in the resolved records, stored and told."""
    waiting = frozenset[ResolvedKey]() if guard is None else await guard(said, before)
    said = [replace(one, silent=False) if one.key in waiting else one for one in said]
    published = publish(decision.district_id, sorted(said, key=_is_gone), before)
    if published.records:
        await unit.records.write_resolved(
            decision.district_id, published.records, now=decision.decided_at
        )
    for event in published.events:
        unit.emit(event)
    return published


def _is_gone(said: Said) -> bool:
    """What lives is told of before what is gone, so that nothing points there."""
    return said.record is None or said.silent


def _told(
    decision: Decision, move: Moved, cause: Cause, *, ended: bool
) -> OutsideIdMerged | OutsideIdSplit:
    if ended:
        return OutsideIdMerged(
            district_id=decision.district_id,
            cause=cause,
            entity=decision.entity,
            entity_id=move.entity_id,
            merged_id=move.was,
            source_id=move.source_id,
            external_id=move.external_id,
            match_rule=decision.match_rule,
            decided_by=decision.decided_by,
        )
    return OutsideIdSplit(
        district_id=decision.district_id,
        cause=cause,
        entity=decision.entity,
        entity_id=move.entity_id,
        split_from_id=move.was,
        source_id=move.source_id,
        external_id=move.external_id,
        match_rule=decision.match_rule,
        decided_by=decision.decided_by,
    )


async def _answer(unit: Unit, decision: Decision, ours: Sequence[str], cause: Cause) -> None:
    """Open suggestions of two ids that are one now are answered, whichever moves made them so."""
    district_id, entity = decision.district_id, decision.entity
    history = await unit.crosswalk.history(district_id, entity, ours)
    ever = sorted({meaning.entity_id for meaning in history})
    asked = await unit.suggestions.open_among(district_id, entity, ever)
    if not asked:
        return
    pairs = sorted({one for pair in asked for one in (pair.one_id, pair.other_id)})
    today = stand_ins(await unit.crosswalk.history(district_id, entity, pairs))
    answered = [
        one for one in asked if one.one_id in today and today[one.one_id] == today.get(one.other_id)
    ]
    for confirmed in await unit.suggestions.decide_all(
        answered, "confirmed", decided_by=decision.decided_by, now=decision.decided_at
    ):
        unit.emit(SuggestionMoved(moment="confirmed", suggestion=confirmed, cause=cause))


def _key_changes(
    district_id: str,
    before: Mapping[str, Sequence[Meaning]],
    after: Mapping[str, Sequence[Meaning]],
    cause: Cause,
    reason: Reason,
) -> Iterator[UserKeyChanged]:
    """The outside ids of each person who lives, before and after."""
    for person_id, meanings in after.items():
        old, new = _keys(before.get(person_id, ())), _keys(meanings)
        if old != new:
            yield UserKeyChanged(
                district_id=district_id,
                cause=cause,
                person_id=person_id,
                old_keys=tuple(sorted(old)),
                new_keys=tuple(sorted(new)),
                reason=reason.key_change,
            )


def _keys(meanings: Sequence[Meaning]) -> Set[str]:
    return {meaning.external_id for meaning in meanings}
