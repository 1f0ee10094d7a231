"""Lets a vendor in by its bearer token, where errors are problem documents. Source: RFC 6750."""

from typing import Final

from roster_common.runtime.problems import Problem
from roster_publisher.domain.access import AccessToken
from roster_publisher.ports import Clock
from roster_publisher.usecases.tokens import RecogniseToken

_MAX_TOKEN: Final = 512


class VendorDoor:
    """Finds who asks."""

    def __init__(self, recognise: RecogniseToken, clock: Clock) -> None:
        self._recognise = recognise
        self._clock = clock

    async def __call__(self, authorization: str | None) -> AccessToken:
        """The token behind an `Authorization` header. Raises the 401 problem without a live one,
        403 once the agreement has ended.
        """
        kind, _, token = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not 0 < len(token) <= _MAX_TOKEN:
            raise _unauthorized("token_missing", "Bearer")
        found = await self._recognise(token.strip())
        if found is None:
            raise _unauthorized("token_refused", 'Bearer error="invalid_token"')
        if not found.grant.is_in_force(self._clock.now()):
            raise agreement_ended()
        return found


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
