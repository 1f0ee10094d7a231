"""Telling a person what went wrong: the step, the reason, the log that should say more."""

from collections.abc import Mapping
from typing import Final

import httpx2

from homeroom.display import Display
from homeroom.errors import ServiceRefused
from homeroom.journal import Journal
from homeroom.parts.processes import ChildFailed
from roster_common.errors import HomeroomError

TAIL_LINES = 15

# What to do about a refusal, by the stable code of the problem document.
ADVICE: Final[Mapping[str, str]] = {
    "token_expired": "the operator token has ended; `homeroom token` mints another",
    "token_refused": "the operator token is not one of this installation's key",
    "role_missing": "the operator token has a smaller role; see `homeroom token --role`",
    "hash_differs": "it changed since it was shown: look at it again, then decide",
    "ended": "it is decided already, or its time is over",
    "flip_waits": "see `homeroom authority show`; a flip that waits can be rejected as a hold",
    "authority_differs": "the two belong to different sources: give one of them to the other's"
    " source first, with `homeroom authority set`",
    "would_silence": "give the school to the source of these people first, with"
    " `homeroom authority set`",
    "touched_since": "undo or split what came later first; see `homeroom crosswalk`",
    "merged_away": "another id stands for it by now; see `homeroom crosswalk`",
    "same_approver": "this approver has given their approval already",
}


def explain(display: Display, journal: Journal, error: Exception) -> None:
    """Print it in red; the last log lines are those of the child at fault, or the step's owner."""
    step = journal.current
    display.bad(f"FAILED at step: {step.name if step else 'start'}")
    display.bad(f"  {describe(error)}")
    name, tail = (step.owner or "", step.tail) if step else ("", "")
    if isinstance(error, ChildFailed):
        name, tail = error.name, error.tail
    if tail:
        display.say(f"  last lines of {name}:")
    for line in tail.splitlines()[-TAIL_LINES:]:
        display.say(f"    {line}")


def describe(error: Exception) -> str:
    """Put an error into one line; the text of errors that are not ours may hold values."""
    if isinstance(error, ServiceRefused) and error.code in ADVICE:
        return f"{error}; {ADVICE[error.code]}"
    if isinstance(error, HomeroomError):
        return str(error)
    kind = type(error).__name__
    if isinstance(error, httpx2.HTTPError):
        return f"a call over HTTP broke off ({kind})"
    if isinstance(error, OSError) and error.strerror:
        return f"the system says: {error.strerror} ({kind})"
    return f"something that nobody foresaw ({type(error).__module__}.{kind})"
