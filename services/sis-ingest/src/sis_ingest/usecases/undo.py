"""Undo: an operator takes back a decision about ids, as long as nothing else touched them since."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sis_ingest.domain.identity import Decision, Meaning, Moved, touched_since
from sis_ingest.ports.units import Unit
from sis_ingest.usecases.decide_ids import Decided, DecideIds, NotDone, Order, Plan

IsAnUndo: TypeAlias = Literal["is_an_undo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchedSince:
    """What began or ended for the same ids of ours after the decision."""

    meanings: Sequence[Meaning]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """Gives outside ids back to the ids of ours that they had before a decision."""

    decide: DecideIds

    async def __call__(
        self, decision: Decision, *, order: Order
    ) -> Decided | IsAnUndo | TouchedSince | NotDone:
        """What was touched, or why not. One transaction under the district's lock; commits.

        Of a merge or a split, made by a rule or a person. May run twice: the second time touches
        nothing. Source: ADR 0014.
        """

        async def plan(unit: Unit) -> Plan | IsAnUndo | TouchedSince:
            return await _plan(unit, decision, order)

        return await self.decide(decision.district_id, decision.entity, plan, order=order)


async def _plan(unit: Unit, decision: Decision, order: Order) -> Plan | IsAnUndo | TouchedSince:
    district_id, decision_id = decision.district_id, decision.decision_id
    if decision.kind == "undo":
        return "is_an_undo"
    reason = order.reason(
        "undo",
        key_change="merge" if decision.kind == "split" else "split",
        undoes=decision_id,
    )
    now = await unit.crosswalk.decision(decision_id)
    if now is not None and now.undone_by is not None:
        return Plan(moves=(), reason=reason)
    moved = await unit.crosswalk.moved_by(district_id, decision_id)
    ours = sorted({one for move in moved for one in (move.was, move.entity_id)})
    history = await unit.crosswalk.history(district_id, decision.entity, ours)
    since = touched_since(history, moved, decision_id)
    if since:
        return TouchedSince(meanings=since)
    return Plan(moves=[_back(move) for move in moved], reason=reason)


def _back(move: Moved) -> Moved:
    return Moved(
        source_id=move.source_id,
        external_id=move.external_id,
        was=move.entity_id,
        entity_id=move.was,
    )
