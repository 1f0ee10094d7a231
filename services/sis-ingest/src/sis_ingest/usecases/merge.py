"""Merge: an operator says that two of our ids are one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sis_ingest.domain.changes import Cause
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.identity import Meaning
from sis_ingest.domain.publish import Published
from sis_ingest.ports import Ids, Unit, Units
from sis_ingest.usecases.move_ids import MoveIds, Reason

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
class Touched:
    """A record that was, or would be, told again."""

    entity: Entity
    entity_id: str
    action: Literal["upserted", "tobedeleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What the merge touched; nothing when it was done before."""

    touched: tuple[Touched, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Gives the outside ids of one of our ids to another."""

    units: Units
    ids: Ids
    move: MoveIds

    async def __call__(
        self, pair: Pair, *, subject: str, correlation_id: str, dry_run: bool = False
    ) -> Merged | NotMerged:
        """What was touched, or why not. One transaction under the district's lock; commits.

        `dry_run` only says what would be touched. May run twice: the second time touches nothing.
        """
        cause = Cause(
            correlation_id=correlation_id, delivery_id=self.ids.new_id(), origin="operator"
        )
        pairs = {pair.merge: pair.keep}
        async with self.units.begin("merge") as unit:
            await unit.lock_district(pair.district_id)
            state = await _state(unit, pair)
            if state == "merged":
                return Merged(touched=())
            if state != "apart":
                return state
            if dry_run:
                planned = await self.move.plan(unit, pair.district_id, pair.entity, pairs, cause)
                return _merged(planned)
            reason = Reason(
                match_rule="operator", decided_by=f"operator:{subject}", key_change="merge"
            )
            return _merged(
                await self.move(
                    unit, pair.district_id, pair.entity, pairs, cause=cause, reason=reason
                )
            )


async def _state(unit: Unit, pair: Pair) -> Literal["apart", "merged"] | NotMerged:
    history = await unit.crosswalk.history(pair.district_id, pair.entity, [pair.keep, pair.merge])
    keep, merge = _of(history, pair.keep), _of(history, pair.merge)
    if not keep:
        return "unknown_keep"
    if not merge:
        return "unknown_merge"
    if all(m.valid_to is not None for m in keep):
        return "keep_was_merged"
    if any(m.valid_to is None for m in merge):
        return "apart"
    moved = {(m.source_id, m.external_id) for m in merge}
    now = {(m.source_id, m.external_id) for m in keep if m.valid_to is None}
    return "merged" if moved & now else "merge_was_merged"


def _of(history: Sequence[Meaning], entity_id: str) -> Sequence[Meaning]:
    return [meaning for meaning in history if meaning.entity_id == entity_id]


def _merged(published: Published) -> Merged:
    return Merged(
        touched=tuple(
            Touched(
                entity=record.entity,
                entity_id=record.entity_id,
                action="tobedeleted" if record.deleted else "upserted",
            )
            for record in published.records
        )
    )
