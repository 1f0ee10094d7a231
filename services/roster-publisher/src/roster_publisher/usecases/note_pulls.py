"""Gather what one request was about while it is answered, then leave it to the audit.

Nothing is written for a caller who is nobody we know. Source: ADR 0029.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from roster_publisher.domain.access import Grant
from roster_publisher.domain.audit import AuditEntry, Door
from roster_publisher.domain.records import Entity
from roster_publisher.ports import Clock
from roster_publisher.ports.audit import AuditTrail

_UNKNOWN: Final = "unknown"


@dataclass(slots=True, kw_only=True)
class Noted:
    """What is known of the request so far. `of` None: by nobody, as yet."""

    door: Door
    began: datetime
    of: Grant | None = None
    what: str = _UNKNOWN
    detail: str = ""
    entities: tuple[Entity, ...] = ()
    status: int | None = None
    rows: int = 0
    revision: int | None = None
    by: str | None = None


class NotePulls:
    """Gives out notes and hands them over when their request has been answered."""

    def __init__(self, trail: AuditTrail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock

    @contextmanager
    def noting(self, door: Door) -> Iterator[Noted]:
        """The note of one request, which is kept however the block ends."""
        noted = self.begin(door)
        try:
            yield noted
        finally:
            self.end(noted)

    def begin(self, door: Door) -> Noted:
        """A note that somebody else will `end`."""
        return Noted(door=door, began=self._clock.now())

    def end(self, noted: Noted) -> None:
        """Keep it, if anybody is known to have asked."""
        grant = noted.of
        if grant is None:
            return
        passed = self._clock.now() - noted.began
        self._trail.note(
            AuditEntry(
                district_id=grant.district_id,
                client_id=grant.client_id,
                at=noted.began,
                door=noted.door,
                what=noted.what,
                detail=noted.detail,
                entities=noted.entities if noted.status == _OK else (),
                status=noted.status,
                # A page that was counted and then refused held nothing.
                rows=noted.rows if noted.status == _OK else 0,
                revision=noted.revision,
                ms=max(0, round(passed.total_seconds() * 1_000)),
                by=noted.by,
            )
        )


_OK: Final = 200


class NoTrail:
    """An `AuditTrail` that keeps nothing."""

    def note(self, entry: AuditEntry) -> None:
        """Forget it."""
