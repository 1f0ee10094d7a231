"""Tell one vendor what comes next in its change feed: one call a turn.

Runs twice harmlessly: a call whose success was not kept is made again under the same id. Commits
before a call (claim) and behind it; nothing stays locked while the receiver thinks.
Source: ADR 0025.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never

from roster_publisher.domain.access import AgreementEnded, Grant
from roster_publisher.domain.audit import AuditEntry
from roster_publisher.domain.change_feed import (
    BadCursor,
    Cursor,
    ToldChange,
    decode,
    feed_restarted,
    opened,
    to_ms,
    told_entities,
)
from roster_publisher.domain.webhooks import (
    MOST_BYTES,
    MOST_PER_CALL,
    SYNC_COMPLETED,
    Message,
    NotSent,
    Sent,
    Standing,
    Subscription,
    changes_message,
    sync_completed,
)
from roster_publisher.ports import Clock
from roster_publisher.ports.audit import AuditTrail
from roster_publisher.ports.vendors import Vendors
from roster_publisher.ports.webhooks import Receivers, Standings
from roster_publisher.usecases.read_changes import (
    Changes,
    ChangesRequest,
    CursorGone,
    ReadChanges,
)

# A place that moves without a call (nothing of it is wanted) is kept that seldom.
_KEPT_AFTER_MS: Final = 60_000
_CLIENT_COMES_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """`more`: there is more to tell at once; else `wait_s` may be slept, if it is given. `call` is
    what came of the turn's call, if it made one.
    """

    more: bool = False
    wait_s: float | None = None
    call: Literal["taken", "not_taken", "stopped"] | None = None


_IDLE: Final = Turn()
_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A call to make, and where the subscription stands once it was taken."""

    message: Message
    after: Standing
    revision: int
    more: bool
    told: Sequence[ToldChange] = ()


class PushChanges:
    """`base` is the address of the reads, where `href`s point."""

    def __init__(
        self,
        vendors: Vendors,
        read: ReadChanges,
        standings: Standings,
        receivers: Receivers,
        clock: Clock,
        trail: AuditTrail,
        *,
        base: str,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._vendors = vendors
        self._read = read
        self._standings = standings
        self._receivers = receivers
        self._clock = clock
        self._trail = trail
        self._base = base
        self._chance = chance

    async def __call__(self, subscription: Subscription) -> Turn:
        """One turn. Nothing is told once the grant's agreement has ended."""
        client = await self._vendors.client(subscription.client_id)
        now = self._clock.now()
        if client is None:
            # At the start of a service, it is about to be made.
            return Turn(wait_s=_CLIENT_COMES_S)
        if not client.grant.is_in_force(now):
            return _IDLE
        if client.grant.district_id != subscription.district_id:
            return _IDLE
        standing = await self._standings.of(subscription)
        if standing.stopped_at is not None:
            return _IDLE
        if standing.not_before is not None and now < standing.not_before:
            return Turn(wait_s=(standing.not_before - now).total_seconds())
        if not opened(client.grant.token_scopes):
            return _IDLE
        try:
            found = await self._next(client.grant, standing)
        except AgreementEnded:
            return _IDLE
        return await self._tell(subscription, standing, found)

    async def _next(self, grant: Grant, standing: Standing) -> Changes:
        request = ChangesRequest(
            grant=grant,
            token_scopes=grant.token_scopes,
            after=_cursor(standing.cursor),
            until=_cursor(standing.until),
            limit=MOST_PER_CALL,
            base=self._base,
            most_bytes=MOST_BYTES,
        )
        found = await self._read(request)
        match found:
            case Changes():
                return found
            case CursorGone():
                return Changes(
                    told=[feed_restarted(found.restart, found.newest_ms)],
                    cursor=found.restart,
                    has_more=True,
                    revision=found.revision,
                )
            case _:
                assert_never(found)

    async def _tell(self, subscription: Subscription, standing: Standing, found: Changes) -> Turn:
        told = [one for one in found.told if subscription.wants(one.type)]
        ended = self._ended_bulk(standing, found, nothing=not (told or found.has_more))
        if ended is not None and subscription.wants(SYNC_COMPLETED):
            message = sync_completed(
                subscription, standing, bulk_until=ended, revision=found.revision
            )
            after = standing.bulk_taken(ended, now=self._clock.now())
            call = _Call(message=message, after=after, revision=found.revision, more=True)
            return await self._call(subscription, standing, call)
        if told:
            message = changes_message(subscription, standing, told, next_=found.next)
            after = standing.taken(cursor=found.next, now=self._clock.now())
            calling = replace(standing, until=found.next)
            call = _Call(
                message=message,
                after=after,
                told=told,
                revision=found.revision,
                more=found.has_more,
            )
            return await self._call(subscription, calling, call)
        if found.has_more or _moved(standing, found):
            # Nothing of it is wanted, so it is passed without a call.
            passed = replace(standing, cursor=found.next, until=None)
            await self._standings.keep(subscription, passed)
            return Turn(more=True)
        return _IDLE

    def _ended_bulk(self, standing: Standing, found: Changes, *, nothing: bool) -> datetime | None:
        """When bulk ended that is told in full and whose end is not told yet; `nothing`: there is
        no change left to tell.
        """
        until = found.bulk_until
        if until is None or until > self._clock.now() or until == standing.bulk_told:
            return None
        cursor = _cursor(standing.cursor)
        passed = cursor is not None and cursor.spot.stamp_ms >= to_ms(until)
        return until if passed or nothing else None

    async def _call(self, subscription: Subscription, standing: Standing, call: _Call) -> Turn:
        claimed = await self._standings.claim(subscription, standing)
        if claimed is None:
            return _IDLE
        began = self._clock.now()
        outcome = await self._receivers.send(subscription, call.message)
        passed = self._clock.now() - began
        self._trail.note(_entry(subscription, call, outcome, began=began, passed=passed))
        match outcome:
            case Sent():
                kept = replace(call.after, generation=claimed.generation)
                more = await self._standings.keep(subscription, kept) and call.more
                return Turn(more=more, call="taken")
            case NotSent():
                failed = claimed.failed(outcome, now=self._clock.now(), chance=self._chance())
                await self._standings.keep(subscription, failed)
                return Turn(call="not_taken" if failed.stopped_at is None else "stopped")
            case _:
                assert_never(outcome)


def _entry(
    subscription: Subscription,
    call: _Call,
    outcome: Sent | NotSent,
    *,
    began: datetime,
    passed: timedelta,
) -> AuditEntry:
    return AuditEntry(
        district_id=subscription.district_id,
        client_id=subscription.client_id,
        at=began,
        door="webhook",
        what=call.message.type,
        detail="" if isinstance(outcome, Sent) else outcome.reason,
        entities=told_entities(call.told),
        status=_OK if isinstance(outcome, Sent) else None,
        rows=len(call.told),
        revision=call.revision,
        ms=max(0, round(passed.total_seconds() * 1_000)),
    )


def _cursor(text: str | None) -> Cursor | None:
    """None also for a cursor of a form that is no longer read: then all is told again."""
    if text is None:
        return None
    try:
        return decode(text)
    except BadCursor:
        return None


def _moved(standing: Standing, found: Changes) -> bool:
    """Whether there is a stretch behind us that would be read again and again."""
    before = _cursor(standing.cursor)
    since_ms = before.spot.stamp_ms if before is not None else 0
    return found.cursor.spot.stamp_ms - since_ms >= _KEPT_AFTER_MS
