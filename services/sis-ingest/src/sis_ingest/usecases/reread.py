"""Reread: a webhook that cannot be trusted to say what changed says at least where to look.

What is read anew is the truth; the hint is only its cause. Source: systems.md §1.1, ADR 0015.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from roster_common.errors import Invalid
from sis_ingest.domain.changes import Cause, Change, Verdict
from sis_ingest.domain.deliveries import Delivery, DeliveryEnd, Hint
from sis_ingest.domain.entities import IMPORT_ORDER, Entity
from sis_ingest.domain.events import ChangeReceived
from sis_ingest.domain.records import content_hash, to_bytes
from sis_ingest.ports import Clock
from sis_ingest.ports.pulls import ODD, UNREADABLE, Piece, Pulling, Wording
from sis_ingest.ports.sources import HintReader, Source
from sis_ingest.ports.units import Unit, Units
from sis_ingest.usecases.apply_deliveries import SEALED, Applied, outcome_of
from sis_ingest.usecases.read_hints import Found, ReadHints
from sis_ingest.usecases.record_changes import RecordChanges

MAX_HINTS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hinted:
    """A delivery with its hints, or why it is refused."""

    delivery: Delivery
    hints: Sequence[Hint]
    refusal: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """Empties the inbox of one source that only hints."""

    units: Units
    clock: Clock
    record_changes: RecordChanges
    read_hints: ReadHints

    async def __call__(self, source: Source, reader: HintReader, pulling: Pulling) -> Applied:
        """One batch; its ends are empty when none waited. Commits once, after reading.

        An item that several hints name is read once, at a moment after all of them. A delivery of
        which not all could be read waits. Raises `SourceAway` where the source was the cause, after
        the others have ended. May run twice: reading again changes nothing.
        """
        async with self.units.begin("run") as unit:
            waiting = await unit.deliveries.waiting(source.place, limit=MAX_HINTS)
        if not waiting:
            return Applied(ends=(), more=False)
        hinted = [_hinted(reader, delivery) for delivery in waiting]
        wanted = list(dict.fromkeys(hint for one in hinted for hint in one.hints))
        # The oldest is read whole, or a slow source would never end it.
        first = next((frozenset(one.hints) for one in hinted if one.hints), frozenset[Hint]())
        read, away = await self.read_hints(pulling.client, wanted, at_least=first)
        found = {one.hint: one for one in read}
        ready = [one for one in hinted if all(hint in found for hint in one.hints)]
        ends: Sequence[DeliveryEnd] = ()
        if ready:
            async with self.units.begin("apply") as unit:
                await unit.lock_district(source.place.district_id)
                ends = await self._record(unit, source, pulling, ready, found)
                await unit.deliveries.finish(source.place, ends, now=self.clock.now())
        if away is not None and len(ready) < len(hinted):
            raise away
        return Applied(ends=ends, more=len(waiting) == MAX_HINTS or len(ready) < len(hinted))

    async def _record(
        self,
        unit: Unit,
        source: Source,
        pulling: Pulling,
        hinted: Sequence[_Hinted],
        found: Mapping[Hint, Found],
    ) -> Sequence[DeliveryEnd]:
        wording = pulling.spec.wording(lambda _section: iter(()), pulling.access)
        told: dict[Hint, _Told] = {}
        for one in hinted:
            for hint in one.hints:
                if hint not in told:
                    told[hint] = _told(pulling, wording, found[hint], one.delivery)
        changes = sorted(
            (change for one in told.values() for change in one.changes),
            key=lambda change: IMPORT_ORDER.index(change.entity),
        )
        for change in changes:
            unit.emit(_received(source, change))
        verdicts = await self.record_changes(unit, source.place, changes)
        of = dict(zip(map(id, changes), verdicts, strict=True))
        return [_end(one, told, of) for one in hinted]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    changes: Sequence[Change]
    refusal: str | None


def _end(one: _Hinted, told: Mapping[Hint, _Told], verdicts: Mapping[int, Verdict]) -> DeliveryEnd:
    refusals = [one.refusal, *(told[hint].refusal for hint in one.hints)]
    refusal = next((reason for reason in refusals if reason is not None), None)
    mine = [verdicts[id(change)] for hint in one.hints for change in told[hint].changes]
    return DeliveryEnd(
        delivery_id=one.delivery.delivery_id,
        state="applied" if refusal is None else "refused",
        outcome=refusal or outcome_of(mine),
    )


def _hinted(reader: HintReader, delivery: Delivery) -> _Hinted:
    if delivery.body is None:
        return _Hinted(delivery=delivery, hints=(), refusal=SEALED)
    try:
        hints = reader.hints(delivery.headers, delivery.body)
    except Invalid as error:
        return _Hinted(delivery=delivery, hints=(), refusal=error.reason)
    return _Hinted(delivery=delivery, hints=hints, refusal=None)


def _told(pulling: Pulling, wording: Wording, found: Found, first: Delivery) -> _Told:
    """The changes that one item means. An item that is gone ends every record it was."""
    if found.refusal is not None:
        return _Told(changes=(), refusal=found.refusal)
    why = Cause(
        correlation_id=first.correlation_id,
        delivery_id=first.delivery_id,
        origin="webhook",
    )
    item = found.item or pulling.spec.gone(found.hint.section, found.hint.item_id)
    changes: list[Change] = []
    try:
        for entity in _entities(pulling, found.hint.section):
            pieces = wording.pieces(entity, found.hint.section, item)
            changes += [_change(wording, found, entity, piece, why) for piece in pieces]
    except Invalid as error:
        return _Told(changes=(), refusal=error.reason)
    except ODD:
        return _Told(changes=(), refusal=UNREADABLE)
    return _Told(changes=changes, refusal=None)


def _entities(pulling: Pulling, section: str) -> Sequence[Entity]:
    return [entity for entity, sections in pulling.spec.entities.items() if section in sections]


def _change(wording: Wording, found: Found, entity: Entity, piece: Piece, cause: Cause) -> Change:
    if not piece.external_id:
        raise Invalid("missing", field="sourcedId")
    if found.item is None:
        record, deleted = None, True
    else:
        fact = wording.read(entity, found.hint.section, piece)
        record, deleted = fact.record, fact.deleted
    return Change(
        entity=entity,
        external_id=piece.external_id,
        record=record,
        content_hash=b"" if record is None else content_hash(to_bytes(record)),
        deleted=deleted,
        version=None,
        occurred_at=found.at,
        cause=cause,
    )


def _received(source: Source, change: Change) -> ChangeReceived:
    return ChangeReceived(
        district_id=source.place.district_id,
        cause=change.cause,
        source_id=source.place.source_id,
        entity=change.entity,
        external_id=change.external_id,
        deleted=change.deleted,
        received_at=change.occurred_at,
        verified="poll",
        version=None,
    )
