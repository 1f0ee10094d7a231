"""Lets a vendor in by its bearer token, where errors are problem documents. Source: RFC 6750."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from roster_common.runtime.metrics import metric
from roster_common.runtime.problems import Problem
from roster_publisher.domain.access import AccessToken
from roster_publisher.domain.audit import Door
from roster_publisher.domain.pacing import whole_seconds
from roster_publisher.ports import Clock
from roster_publisher.usecases.note_pulls import Noted, NotePulls
from roster_publisher.usecases.pace_callers import PaceCallers
from roster_publisher.usecases.tokens import RecogniseToken

_MAX_TOKEN: Final = 512


class VendorDoor:
    """Finds who asks, and how fast they do."""

    def __init__(
        self, recognise: RecogniseToken, clock: Clock, pace: PaceCallers, notes: NotePulls
    ) -> None:
        self._recognise = recognise
        self._clock = clock
        self._pace = pace
        self._notes = notes

    @contextmanager
    def noting(self, door: Door) -> Iterator[Noted]:
        """The note of one request; a problem that is raised gives it its status."""
        with self._notes.noting(door) as noted:
            try:
                yield noted
            except Problem as problem:
                noted.status = problem.status
                raise

    async def __call__(self, authorization: str | None, noted: Noted) -> AccessToken:
        """The token behind an `Authorization` header, whose client is `noted`. Raises the 401
        problem without a live one, 429 beyond the client's pace, 403 once the agreement has ended.
        """
        kind, _, token = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not 0 < len(token) <= _MAX_TOKEN:
            raise _unauthorized("token_missing", "Bearer")
        found = await self._recognise(token.strip())
        if found is None:
            raise _unauthorized("token_refused", 'Bearer error="invalid_token"')
        wait_s = self._pace.take(found.grant.client_id, found.grant.pace)
        if wait_s:
            raise busy("reads", wait_s)
        noted.of = found.grant
        if not found.grant.is_in_force(self._clock.now()):
            raise agreement_ended()
        return found


def busy(door: Literal["reads", "packages"], wait_s: float) -> Problem:
    """429, counted: the caller may come again in so many seconds."""
    metric("vendor_requests_refused_total").labels(door=door).inc()
    return Problem(
        429,
        "server_busy",
        "Too many requests at once",
        headers={"retry-after": str(whole_seconds(wait_s))},
    )


def agreement_ended() -> Problem:
    """403: nothing more goes out to this vendor."""
    return Problem(403, "agreement_ended", "The agreement behind this grant has ended")


def _unauthorized(code: str, challenge: str) -> Problem:
    return Problem(
        401,
        code,
        "This needs a token that is in force",
        headers={"www-authenticate": challenge},
    )
