"""How long to wait before the next attempt. Pure; the caller adds no jitter, marks spread it."""

_TRANSIENT_FIRST_S = 1.0
_TRANSIENT_LONGEST_S = 60.0
_ASKED_LONGEST_S = 3600.0
_AT_ONCE = 3
_PARKED_FIRST_S = 60.0
_PARKED_LONGEST_S = 24 * 3600.0


def transient_wait_s(attempts: int) -> float:
    """Seconds after the `attempts`-th failure of a target that was not ready: 1, 2, 4 … 60."""
    return min(_TRANSIENT_LONGEST_S, _TRANSIENT_FIRST_S * 2.0 ** min(attempts - 1, 10))


def asked_wait_s(asked_s: float | None, attempts: int) -> float:
    """Seconds until a target that was not ready is asked again: as it says, but an hour at most."""
    return max(min(asked_s or 0.0, _ASKED_LONGEST_S), transient_wait_s(attempts))


def again_wait_s(attempts: int) -> float:
    """Seconds until something found out on the way is acted on: none, but a loop slows down."""
    return 0.0 if attempts <= _AT_ONCE else transient_wait_s(attempts - _AT_ONCE)


def parked_wait_s(attempts: int) -> float:
    """Seconds after the `attempts`-th refusal: a minute, then four times longer, up to a day.

    A new fact about the person ends the wait at once, because it starts a new mark.
    """
    return min(_PARKED_LONGEST_S, _PARKED_FIRST_S * 4.0 ** min(attempts - 1, 10))
