"""An HTTP client that asks again while a service is away, as every real neighbour does.

Only for requests that may be repeated: reads, webhooks with their id, a token, a file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from homeroom.errors import TookTooLong
from homeroom.waiting import wait_for

AGAIN_S = 0.05
# A gateway or a service that is starting or stopping: nothing was done yet.
AWAY = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to ask again; `check` runs before each try and may raise. The default asks once."""

    within_s: float = 0.0
    check: Callable[[], None] = lambda: None


ONCE: Final = Patience()


class PatientClient(httpx2.Client):
    """Repeats a request while the connection fails or the answer says "away".

    When patience is at its end, the last failure is the caller's.
    """

    def __init__(self, patience: Patience, **options: Any) -> None:
        super().__init__(**options)
        self._patience = patience

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send it until it is answered."""
        last: httpx2.TransportError | httpx2.Response | None = None

        def answered() -> httpx2.Response | None:
            """The answer of one more attempt, or None while there is none or it says "away".

            Keeps the last failure for the caller; whatever is no transport error is raised.
            """
            nonlocal last
            try:
                answer = super(PatientClient, self).send(request, **options)
            except httpx2.TransportError as error:
                last = error
                return None
            last = answer
            return None if answer.status_code in AWAY else answer

        try:
            return wait_for(
                "an answer",
                answered,
                within_s=self._patience.within_s,
                every_s=AGAIN_S,
                check=self._patience.check,
            )
        except TookTooLong:
            if isinstance(last, httpx2.Response):
                return last
            if last is not None:
                raise last from None
            raise
