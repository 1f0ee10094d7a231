"""Decide a suggestion: an operator says that two of our ids are one, or that they are two."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sis_ingest.domain.changes import Cause
from sis_ingest.domain.events import SuggestionMoved
from sis_ingest.domain.identity import Meaning, stand_ins
from sis_ingest.domain.suggestions import Suggestion, SuggestionState
from sis_ingest.ports.units import Unit
from sis_ingest.usecases.decide_ids import Decided, DecideIds, NotDone, Order, Plan

NotConfirmed: TypeAlias = Literal["ended", "not_of_it", "merged_away"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideSuggestion:
    """Keeps what a person says about two ids."""

    decide: DecideIds

    async def confirm(
        self, suggestion: Suggestion, *, keep: str | None, order: Order
    ) -> Decided | NotConfirmed | NotDone:
        """What the merge touched, or why there is none. One transaction; commits.

        Merges what the two ids mean today. `keep` stays: by default the one known for longer.
        """

        async def plan(unit: Unit) -> Plan | NotConfirmed:
            return await self._plan(unit, suggestion, keep, order)

        return await self.decide(suggestion.district_id, suggestion.entity, plan, order=order)

    async def dismiss(self, suggestion: Suggestion, *, order: Order) -> Suggestion:
        """The suggestion as it stands; the pair is not suggested again. May run twice; commits."""
        async with self.decide.units.begin("merge") as unit:
            await unit.lock_district(suggestion.district_id)
            now = await unit.suggestions.get(suggestion.district_id, suggestion.suggestion_id)
            if now is None or now.state != "open":
                return now or suggestion
            return await self._decided(unit, now, "dismissed", order)

    async def _plan(
        self, unit: Unit, suggestion: Suggestion, keep: str | None, order: Order
    ) -> Plan | NotConfirmed:
        district_id, entity = suggestion.district_id, suggestion.entity
        pair = (suggestion.one_id, suggestion.other_id)
        if keep is not None and keep not in pair:
            return "not_of_it"
        now = await unit.suggestions.get(district_id, suggestion.suggestion_id)
        if now is None or now.state != "open":
            return "ended"
        history = await unit.crosswalk.history(district_id, entity, pair)
        today = stand_ins(history)
        if not today.keys() >= set(pair):
            return "merged_away"
        kept = today[keep or _known_longer(history, pair)]
        ending = {today[one]: kept for one in pair if today[one] != kept}
        decided = await self._decided(unit, now, "confirmed", order)
        unit.emit(
            SuggestionMoved(
                moment="confirmed",
                suggestion=decided,
                cause=Cause(
                    correlation_id=order.correlation_id,
                    delivery_id=self.decide.ids.new_id(),
                    origin="operator",
                ),
            )
        )
        moves = await self.decide.move.joining(unit, district_id, entity, ending) if ending else ()
        return Plan(moves=moves, reason=order.reason("merge", key_change="merge"))

    async def _decided(
        self, unit: Unit, suggestion: Suggestion, state: SuggestionState, order: Order
    ) -> Suggestion:
        return await unit.suggestions.decide(
            suggestion,
            state,
            decided_by=f"operator:{order.subject}",
            now=self.decide.move.clock.now(),
        )


def _known_longer(history: Sequence[Meaning], pair: Sequence[str]) -> str:
    since = {one: [m.valid_from for m in history if m.entity_id == one] for one in pair}
    return min(pair, key=lambda one: (min(since[one]), one))
