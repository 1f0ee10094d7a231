"""Split: an operator says that some outside ids of one of our ids are somebody else's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sis_ingest.domain.entities import Entity
from sis_ingest.domain.identity import (
    Meaning,
    Moved,
    OutsideId,
    allot,
    candidate_id,
    current,
    id_before,
)
from sis_ingest.ports.units import Unit
from sis_ingest.usecases.decide_ids import Decided, DecideIds, NotDone, Order, Plan

NotSplit: TypeAlias = Literal["unknown_id", "means_another", "nothing_left"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """`outside` leaves `entity_id`; (source, its id) each."""

    district_id: str
    entity: Entity
    entity_id: str
    outside: Sequence[OutsideId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Gives outside ids an id of their own."""

    decide: DecideIds

    async def __call__(self, parting: Parting, *, order: Order) -> Decided | NotSplit | NotDone:
        """What was touched, or why not. One transaction under the district's lock; commits.

        The outside ids get back the id of ours that they had before, if it was theirs alone, else
        a new one by the id rule. May run twice: the second time touches nothing. Source: ADR 0014.
        """

        async def plan(unit: Unit) -> Plan | NotSplit:
            return await self._plan(unit, parting, order)

        return await self.decide(parting.district_id, parting.entity, plan, order=order)

    async def _plan(self, unit: Unit, parting: Parting, order: Order) -> Plan | NotSplit:
        own = parting.entity_id
        history = await unit.crosswalk.history(parting.district_id, parting.entity, [own])
        if not any(meaning.entity_id == own for meaning in history):
            return "unknown_id"
        leaving = set(parting.outside)
        reason = order.reason("split", key_change="split")
        theirs = {meaning.outside for meaning in current(history).get(own, ())}
        if not leaving <= theirs:
            done = _parted(history, leaving, own)
            return Plan(moves=(), reason=reason) if done else "means_another"
        if leaving == theirs:
            return "nothing_left"
        target, minted = await self._target(unit, parting, history)
        moves = [
            Moved(source_id=source, external_id=outside, was=own, entity_id=target)
            for source, outside in dict.fromkeys(parting.outside)
        ]
        return Plan(moves=moves, reason=reason, minted=minted)

    async def _target(
        self, unit: Unit, parting: Parting, history: Sequence[Meaning]
    ) -> tuple[str, str | None]:
        """The id that they get, and the same again if it was minted."""
        leaving = set(parting.outside)
        earlier = {m.entity_id for m in history if m.outside in leaving}
        whole = await unit.crosswalk.history(
            parting.district_id, parting.entity, sorted(earlier | {parting.entity_id})
        )
        before = id_before(whole, leaving, parting.entity_id)
        if before is not None:
            return before, None
        key = (parting.entity, parting.outside[0][1])
        candidate = candidate_id(key[1])
        wanted = [] if candidate is None else [(parting.entity, candidate)]
        taken = await unit.crosswalk.taken(parting.district_id, wanted)
        target = allot([key], taken, self.decide.ids.new_id)[key]
        return target, None if target == candidate else target


def _parted(history: Sequence[Meaning], leaving: set[OutsideId], own: str) -> bool:
    """Whether exactly these left the id before, for one other."""
    now = {m.entity_id for m in history if m.valid_to is None and m.outside in leaving}
    had = {m.outside for m in history if m.entity_id == own and m.valid_to is not None}
    return len(now) == 1 and own not in now and leaving <= had
