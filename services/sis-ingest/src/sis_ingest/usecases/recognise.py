"""Recognise: a record not seen before is looked up by its match keys, a link instead of a create.

Runs inside the caller's unit, which must hold the district's lock.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from sis_ingest.domain.changes import Cause
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.events import OutsideIdLinked, UserKeyChanged
from sis_ingest.domain.identity import candidate_id
from sis_ingest.domain.match_keys import MatchKeys
from sis_ingest.domain.matching import Match, Matched, MatchRule, Near, alike_strangers
from sis_ingest.domain.references import IdKey
from sis_ingest.domain.snapshots import Repeated
from sis_ingest.domain.suggestions import MOST_NEAR
from sis_ingest.ports import Clock
from sis_ingest.ports.units import Unit
from sis_ingest.usecases.guard_silence import too_much_silence
from sis_ingest.usecases.keep_hold import KeepHold
from sis_ingest.usecases.meet import Look, meet, no_list, unknown_of
from sis_ingest.usecases.move_ids import MoveIds, Reason

logger = structlog.get_logger(__name__)

_NAMED: Final = 20
# Of these a person should hear; of a second course with one code nobody needs to.
_TOLD: Final = frozenset({"user", "org"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A record of the source with an outside id that no record came under before."""

    keys: MatchKeys
    cause: Cause
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """Our ids of those recognised, and whom the others may mean, but not certainly.

    `alike` are pairs of the others, who may mean one another. `ending` are ids of ours that were
    given to mere references, by cause and rule.
    """

    space: Entity
    ids: Mapping[IdKey, str]
    near: Mapping[IdKey, Near]
    alike: Sequence[tuple[IdKey, IdKey, MatchRule]]
    ending: Mapping[tuple[Cause, str], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognise:
    """Matches strangers of one entity and links them. `met` counts matches by rule, and conflicts.

    `predecessors` names, by source, the sources whose ids its records may have had before.
    """

    clock: Clock
    move: MoveIds
    keep: KeepHold
    met: Callable[[str, int], None]
    predecessors: Mapping[str, Sequence[str]] = field(default_factory=dict)

    async def link(
        self,
        unit: Unit,
        place: Place,
        space: Entity,
        strangers: Mapping[IdKey, Stranger],
        found: Mapping[IdKey, str],
        look: Look = no_list,
    ) -> Recognised:
        """Who of them is known. `found` are the meanings that ids have already.

        Ids in `found` were given when something referred to them; they end by `end`, which the
        caller runs once every id of the batch has a meaning. Never commits; running it again finds
        no strangers. Source: blueprint invariants 4 and 8, ADR 0014.
        """
        keys = {key: stranger.keys for key, stranger in strangers.items()}
        unknown = await unknown_of(unit, place, keys, found)
        matched, live = await meet(
            unit, place, space, unknown, look, self.predecessors.get(place.source_id, ())
        )
        matches = {
            key: match
            for key, match in matched.matches.items()
            if found.get(key) != match.entity_id
        }
        await self._rekey(unit, place, space, strangers, matches, live)
        self._note(place, space, matched)
        links = {key: match for key, match in matches.items() if key not in found}
        if links:
            await self._link(unit, place, space, strangers, links)
        ending: dict[tuple[Cause, str], dict[str, str]] = {}
        for key, match in matches.items():
            if key in found:
                told = (strangers[key].cause, match.rule)
                ending.setdefault(told, {})[found[key]] = match.entity_id
        return Recognised(
            space=space,
            ids={key: match.entity_id for key, match in matches.items()},
            near=matched.conflicts,
            alike=_alike(space, unknown, matched),
            ending=ending,
        )

    async def replace(
        self,
        unit: Unit,
        place: Place,
        space: Entity,
        strangers: Mapping[IdKey, Stranger],
        repeated: Sequence[Repeated],
    ) -> None:
        """Links ids that the list at hand has in place of others. Never commits."""
        links: dict[IdKey, Match] = {
            (space, one.new_id): Match(entity_id=one.entity_id, rule="same_local_id")
            for one in repeated
        }
        old = {one.entity_id: frozenset({one.old_id}) for one in repeated}
        await self._rekey(unit, place, space, strangers, links, old)
        self._note(place, space, Matched(matches=links, conflicts={}))
        await self._link(unit, place, space, strangers, links)

    async def turn_back(
        self,
        unit: Unit,
        place: Place,
        space: Entity,
        cause: Cause,
        at: datetime,
        repeated: Sequence[Repeated],
    ) -> None:
        """The source names its records by ids again that they had before. Never commits."""
        replaced = {one.old_id: one.new_id for one in repeated}
        await unit.voices.rekey(place, space, replaced, at=at, delivery_id=cause.delivery_id)
        shrunk = await unit.holds.let_go(place, space, list(replaced))
        await self.keep.shrunk(unit, place.district_id, shrunk)
        for one in repeated if space == "user" else ():
            unit.emit(
                UserKeyChanged(
                    district_id=place.district_id,
                    cause=cause,
                    person_id=one.entity_id,
                    old_keys=(one.old_id,),
                    new_keys=(one.new_id,),
                    reason="sis_migration",
                )
            )

    async def _link(
        self,
        unit: Unit,
        place: Place,
        space: Entity,
        strangers: Mapping[IdKey, Stranger],
        links: Mapping[IdKey, Match],
    ) -> None:
        await unit.crosswalk.link(
            place,
            {key: match.entity_id for key, match in links.items()},
            rules={key: match.rule for key, match in links.items()},
            now=self.clock.now(),
        )
        await _tell(unit, place, space, strangers, links)

    async def end(self, unit: Unit, place: Place, recognised: Recognised) -> None:
        """Ends the ids that only references gave; what carries them is told again.

        Whoever is in another place by that, and so silent, spends from the source's budget.
        """
        district_id, space = place.district_id, recognised.space
        guard = partial(too_much_silence, unit, place, clock=self.clock, keep=self.keep)
        for (cause, rule), pairs in recognised.ending.items():
            reason = Reason(
                kind="merge", match_rule=rule, decided_by="rule", key_change="sis_migration"
            )
            joining = await self.move.joining(unit, district_id, space, pairs)
            await self.move(
                unit, district_id, space, joining, cause=cause, reason=reason, guard=guard
            )

    async def known(
        self,
        unit: Unit,
        place: Place,
        space: Entity,
        strangers: Mapping[IdKey, Stranger],
        found: Mapping[IdKey, str],
    ) -> Set[IdKey]:
        """Which of them are records we know, by their id or their match keys. Writes nothing."""
        keys = {key: stranger.keys for key, stranger in strangers.items()}
        unknown = await unknown_of(unit, place, keys, found)
        before = self.predecessors.get(place.source_id, ())
        matched, _ = await meet(unit, place, space, unknown, no_list, before)
        return (strangers.keys() - unknown.keys()) | matched.matches.keys()

    async def _rekey(
        self,
        unit: Unit,
        place: Place,
        space: Entity,
        strangers: Mapping[IdKey, Stranger],
        matches: Mapping[IdKey, Match],
        live: Mapping[str, Set[str]],
    ) -> None:
        """Outside ids that were replaced: the record is spoken of under the new one from now on.

        So the old one's absence from a list is no removal, whatever a guard thinks of removals.
        """
        replaced: dict[tuple[str, datetime], dict[str, str]] = {}
        for key, match in matches.items():
            told = (strangers[key].cause.delivery_id, strangers[key].at)
            new = dict.fromkeys(live.get(match.entity_id, frozenset()) - {key[1]}, key[1])
            replaced.setdefault(told, {}).update(new)
        for (delivery_id, at), ids in replaced.items():
            if ids:
                await unit.voices.rekey(place, space, ids, at=at, delivery_id=delivery_id)
                shrunk = await unit.holds.let_go(place, space, list(ids))
                await self.keep.shrunk(unit, place.district_id, shrunk)

    def _note(self, place: Place, space: Entity, matched: Matched) -> None:
        for rule, times in Counter(match.rule for match in matched.matches.values()).items():
            self.met(rule, times)
        if matched.conflicts and space in _TOLD:
            self.met("conflict", len(matched.conflicts))
            logger.warning(
                "identity_conflicts",
                district=place.district_id,
                source=place.source_id,
                conflicts=len(matched.conflicts),
                first_ids=[
                    outside
                    for _, outside in list(matched.conflicts)[:_NAMED]
                    if candidate_id(outside) is not None
                ],
            )


def _alike(
    space: Entity, unknown: Mapping[IdKey, MatchKeys], matched: Matched
) -> Sequence[tuple[IdKey, IdKey, MatchRule]]:
    if space not in _TOLD:
        return ()
    left = {key: keys for key, keys in unknown.items() if key not in matched.matches}
    return list(alike_strangers(left, most=MOST_NEAR))


async def _tell(
    unit: Unit,
    place: Place,
    space: Entity,
    strangers: Mapping[IdKey, Stranger],
    links: Mapping[IdKey, Match],
) -> None:
    """A link, and where the source had another id for the person, its change of keys."""
    meanings = await unit.crosswalk.history(
        place.district_id, space, [match.entity_id for match in links.values()]
    )
    known: dict[str, set[str]] = {}
    for meaning in meanings:
        if meaning.source_id == place.source_id and meaning.valid_to is None:
            known.setdefault(meaning.entity_id, set()).add(meaning.external_id)
    for key, match in links.items():
        outside = key[1]
        unit.emit(
            OutsideIdLinked(
                district_id=place.district_id,
                cause=strangers[key].cause,
                entity=space,
                entity_id=match.entity_id,
                source_id=place.source_id,
                external_id=outside,
                match_rule=match.rule,
                decided_by="rule",
            )
        )
        if space == "user" and (old := known[match.entity_id] - {outside}):
            unit.emit(
                UserKeyChanged(
                    district_id=place.district_id,
                    cause=strangers[key].cause,
                    person_id=match.entity_id,
                    old_keys=tuple(sorted(old)),
                    new_keys=(outside,),
                    reason="sis_migration",
                )
            )
