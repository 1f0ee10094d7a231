"""Publish changes: one revision and one stamp per district and commit.

Joins the consumer's transaction and commits nothing itself. Runs twice harmlessly: what is stored
already, or older than what is stored, writes nothing and takes no revision.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from roster_publisher.domain.causes import CauseLine, What, lines
from roster_publisher.domain.fragments import render, stamp_text
from roster_publisher.domain.names import Authority, sis_first, with_names
from roster_publisher.domain.publication import (
    Change,
    Draft,
    Settled,
    Stored,
    decide,
    draft_of,
    next_stamp,
    scope_ids,
    settle,
)
from roster_publisher.domain.records import Key, Record, references
from roster_publisher.ports import Clock
from roster_publisher.ports.publishing import Publication, RosterUnit
from roster_publisher.usecases.match_rules import Matches, MatchRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of the changes; `revision` is None when nothing was published."""

    revision: int | None
    published: int
    waiting: int
    unchanged: int
    late: int
    unknown: int


class ApplyChanges:
    """Turns changes of one district, in log order, into published records."""

    def __init__(self, clock: Clock, authority: Authority = sis_first) -> None:
        self._clock = clock
        self._authority = authority
        self._match = MatchRules()

    async def __call__(
        self, unit: RosterUnit, district_id: str, changes: Sequence[Change]
    ) -> Applied:
        """Apply `changes` inside the unit's transaction and say what became of them."""
        district = await unit.lock_district(district_id)
        deleted = {change.key for change in changes if change.record is None}
        keys = {change.key for change in changes}
        stored = dict(await unit.stored(district_id, keys, with_record=deleted))
        decided = decide(changes, stored)
        settled = await self._settle(unit, district_id, decided.drafts, stored)
        now = self._clock.now()
        stamp, revision = next_stamp(now, district.stamp), district.revision + 1
        if settled.wait:
            await unit.park(district_id, settled.wait)
        if settled.publish:
            matches = await self._match(unit, district_id, district, settled)
            publications = await self._publications(
                unit, district_id, settled, stored, stamp, matches
            )
            await unit.publish(
                district_id,
                publications,
                revision=revision,
                stamp=stamp,
                rematched=matches.rematched,
            )
            await unit.mark_dirty(district_id, publications, now=now)
        merged = [one for one in changes if one.merged_into and one.key.entity == "user"]
        if merged:
            await unit.mark_merged(district_id, merged, now=now)
        done = (*_lines("published", settled.publish), *_lines("waiting", settled.wait))
        await unit.keep_causes(
            district_id, done, revision=revision if settled.publish else district.revision, at=now
        )
        sources = [draft.key for draft in (*settled.publish, *settled.wait)]
        if sources:
            await unit.replace_dangling(district_id, sources, settled.dangling())
        if decided.confirmed:
            await unit.confirm(district_id, decided.confirmed)
        return Applied(
            revision=revision if settled.publish else None,
            published=len(settled.publish),
            waiting=len(settled.wait),
            unchanged=decided.unchanged,
            late=decided.late,
            unknown=decided.unknown,
        )

    async def _publications(
        self,
        unit: RosterUnit,
        district_id: str,
        settled: Settled,
        stored: Mapping[Key, Stored],
        stamp: datetime,
        matches: Matches,
    ) -> Sequence[Publication]:
        people = [draft.key.sourced_id for draft in settled.publish if draft.key.entity == "user"]
        held = await unit.allocated(district_id, people) if people else {}
        authority, text = self._authority(district_id), stamp_text(stamp)

        def shown(draft: Draft) -> Record:
            if draft.key.entity != "user":
                return draft.record
            return with_names(draft.record, held.get(draft.key.sourced_id, {}), authority)

        return [
            Publication(
                draft=draft,
                fragments=render(
                    draft.key,
                    shown(draft),
                    status=draft.status,
                    stamp=text,
                    is_shown=settled.shown.__contains__,
                ),
                scope_ids=scope_ids(draft, settled.shown),
                before=stored.get(draft.key),
                rule_ids=matches.rules.get(draft.key, frozenset()),
            )
            for draft in settled.publish
        ]

    async def _settle(
        self,
        unit: RosterUnit,
        district_id: str,
        first: Sequence[Draft],
        stored: dict[Key, Stored],
    ) -> Settled:
        """Settle drafts, then those that waited for them, until nothing new can be shown.

        Ends because each turn shows at least one record more; in practice after two or three.
        """
        drafts = {draft.key: draft for draft in first}
        shown = {key for key, old in stored.items() if old.shown}
        asked: set[Key] = set()
        looked_up: set[Key] = set()
        while True:
            targets = {r.target for draft in drafts.values() for r in draft.references}
            missing = targets - asked - shown
            asked |= missing
            if missing:
                shown |= await unit.shown(district_id, missing)
            settled = settle(drafts.values(), shown)
            arrived = {d.key for d in settled.publish if _arrives(d.key, stored)} - looked_up
            if not arrived:
                return settled
            looked_up |= arrived
            waiters = await unit.waiting_for(district_id, arrived) - drafts.keys()
            if not waiters:
                return settled
            found = await unit.newest(district_id, waiters)
            stored.update(found)
            drafts |= {d.key: d for d in _woken(found.values(), arrived, drafts)}
            shown |= {key for key, old in found.items() if old.shown}


def _lines(what: What, drafts: Iterable[Draft]) -> Sequence[CauseLine]:
    return lines(what, ((draft.cause.correlation_id, "", draft.key) for draft in drafts))


def _arrives(key: Key, stored: Mapping[Key, Stored]) -> bool:
    return key not in stored or not stored[key].shown


def _woken(
    waiters: Iterable[Stored], arrived: set[Key], drafts: Mapping[Key, Draft]
) -> Iterable[Draft]:
    """Drafts of records that were waiting; what they waited for is their cause."""
    for waiter in waiters:
        wanted = references(waiter.key, waiter.record) if waiter.record is not None else ()
        came = next((r.target for r in wanted if r.target in arrived), None)
        if waiter.record is None or came is None:
            continue
        yield draft_of(
            waiter.key,
            waiter.record,
            status=waiter.status,
            time=waiter.event_time,
            cause=drafts[came].cause,
            merged_into=waiter.merged_into,
        )
