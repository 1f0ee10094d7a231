"""Webhooks to vendors: what a call says, and where a subscription stands. Pure.

A call's id is made of what it tells, so a call that is repeated, also by another process after a
crash, carries the id it had: a receiver that keeps ids takes nothing twice.
Source: Standard Webhooks specification; ADR 0025.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import orjson

from roster_publisher.domain.change_feed import (
    FED,
    FEED_RESTARTED,
    GRANT_CHANGED,
    ToldChange,
    from_ms,
)
from roster_publisher.domain.fragments import stamp_text

CHANGES: Final = "changes"
SYNC_COMPLETED: Final = "sync.completed"
MOST_PER_CALL: Final = 100
MOST_BYTES: Final = 1024 * 1024
TRIED_FOR: Final = timedelta(days=3)
EVENTS: Final = frozenset(
    {SYNC_COMPLETED}
    | {f"{one.path}.{what}" for one in FED for what in ("*", "upserted", "deleted", "merged")}
)
# Always told: without them a receiver does not know that what it holds is another view.
_ALWAYS: Final = frozenset({GRANT_CHANGED, FEED_RESTARTED})
_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 1_800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Where a vendor wants to be told. `events` None is all; `users.*` is all of users."""

    district_id: str
    client_id: str
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    events: frozenset[str] | None = None

    def wants(self, kind: str) -> bool:
        """Whether changes of this type are told."""
        if self.events is None or kind in _ALWAYS:
            return True
        return kind in self.events or f"{kind.partition('.')[0]}.*" in self.events


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One call: its webhook-id, its type and its JSON body."""

    id: str
    type: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The receiver has taken it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """It has not, or we cannot know. `reason` is a code; `final`: it wants no call any more."""

    reason: str
    final: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a subscription stands: everything before `cursor` was taken.

    `until` is where the call ended that is out or was not taken: it is made again as it was,
    whatever was published since. `round` counts replays; `generation` rises with every write, and
    who holds an older one writes nothing. `bulk_told` is the end of the bulk that `sync.completed`
    told last.
    """

    cursor: str | None = None
    until: str | None = None
    round: int = 0
    generation: int = 0
    failures: int = 0
    failing_since: datetime | None = None
    not_before: datetime | None = None
    reason: str | None = None
    stopped_at: datetime | None = None
    delivered_at: datetime | None = None
    bulk_told: datetime | None = None

    def taken(self, *, cursor: str, now: datetime) -> "Standing":
        """After a call that was taken."""
        return replace(self._sound(), cursor=cursor, until=None, delivered_at=now)

    def bulk_taken(self, bulk_until: datetime, *, now: datetime) -> "Standing":
        """After the end of bulk was told."""
        return replace(self._sound(), bulk_told=bulk_until, delivered_at=now)

    def failed(self, why: NotSent, *, now: datetime, chance: float) -> "Standing":
        """After a call that was not taken: later, or no more, after three days or when the
        receiver says so. `chance` in [0, 1) spreads the calls of many.
        """
        since = self.failing_since or now
        ceiling_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(self.failures, 16))
        wait_s = max(ceiling_s * (0.5 + 0.5 * chance), why.retry_after_s or 0.0)
        over = why.final or now - since >= TRIED_FOR
        return replace(
            self,
            failures=self.failures + 1,
            failing_since=since,
            not_before=now + timedelta(seconds=wait_s),
            reason=why.reason,
            stopped_at=now if over else None,
        )

    def replayed(self, cursor: str | None) -> "Standing":
        """From `cursor` on, or from the beginning, told again under ids of their own."""
        return replace(self._sound(), cursor=cursor, until=None, round=self.round + 1)

    def _sound(self) -> "Standing":
        return replace(
            self, failures=0, failing_since=None, not_before=None, reason=None, stopped_at=None
        )


def changes_message(
    subscription: Subscription, standing: Standing, told: Sequence[ToldChange], *, next_: str
) -> Message:
    """The call that tells changes; `next_` is the cursor behind them, as `/changes` takes it."""
    changes = b",".join(one.text for one in told)
    stamp = stamp_text(from_ms(max(one.stamp_ms for one in told)))
    body = b'{"type":"%b","timestamp":"%b","data":{"changes":[%b],"next":"%b"}}' % (
        CHANGES.encode(),
        stamp.encode(),
        changes,
        next_.encode(),
    )
    return Message(id=_id(subscription, standing, changes), type=CHANGES, body=body)


def sync_completed(
    subscription: Subscription, standing: Standing, *, bulk_until: datetime, revision: int
) -> Message:
    """The call that tells the end of a load: everything of it was told before."""
    stamp = stamp_text(bulk_until)
    body = {"type": SYNC_COMPLETED, "timestamp": stamp, "data": {"revision": revision}}
    return Message(
        id=_id(subscription, standing, f"{SYNC_COMPLETED} {stamp}".encode()),
        type=SYNC_COMPLETED,
        body=orjson.dumps(body),
    )


def _id(subscription: Subscription, standing: Standing, told: bytes) -> str:
    place = (subscription.district_id, subscription.client_id, standing.round, standing.cursor)
    digest = hashlib.blake2b(repr(place).encode() + b"\n" + told, digest_size=16).hexdigest()
    return f"msg_{digest}"
