"""Merge: an operator says that two of our ids are one."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from sis_ingest.domain.entities import Entity
from sis_ingest.domain.identity import current
from sis_ingest.ports.units import Unit
from sis_ingest.usecases.decide_ids import Decided, DecideIds, NotDone, Order, Plan

NotMerged: TypeAlias = Literal[
    "unknown_keep", "unknown_merge", "keep_was_merged", "merge_was_merged"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """`merge` ends, `keep` stays; both are ours, of one entity that has ids of its own."""

    district_id: str
    entity: Entity
    keep: str
    merge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Gives the outside ids of one of our ids to another."""

    decide: DecideIds

    async def __call__(self, pair: Pair, *, order: Order) -> Decided | NotMerged | NotDone:
        """What was touched, or why not. One transaction under the district's lock; commits.

        May run twice: the second time touches nothing.
        """

        async def plan(unit: Unit) -> Plan | NotMerged:
            return await self.plan(unit, pair, order)

        return await self.decide(pair.district_id, pair.entity, plan, order=order)

    async def plan(self, unit: Unit, pair: Pair, order: Order) -> Plan | NotMerged:
        """What would move, nothing when it was done before; or why it may not."""
        history = await unit.crosswalk.history(
            pair.district_id, pair.entity, [pair.keep, pair.merge]
        )
        ever = {meaning.entity_id for meaning in history}
        living = current(history)
        reason = order.reason("merge", key_change="merge")
        if pair.keep not in ever:
            return "unknown_keep"
        if pair.merge not in ever:
            return "unknown_merge"
        if pair.keep not in living:
            return "keep_was_merged"
        if pair.merge not in living:
            had = {m.outside for m in history if m.entity_id == pair.merge}
            done = had & {m.outside for m in living[pair.keep]}
            return Plan(moves=(), reason=reason) if done else "merge_was_merged"
        moves = await self.decide.move.joining(
            unit, pair.district_id, pair.entity, {pair.merge: pair.keep}
        )
        return Plan(moves=moves, reason=reason)
