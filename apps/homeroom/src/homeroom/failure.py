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
    "same_approver": "this approver has given their approval already",
    "pull_open": "one of it is under way: `homeroom pulls --source` finds it",
    # Authority.
    "flip_waits": "`homeroom authority show` names it; one that waits can be rejected as a hold",
    "changed_meanwhile": "look at `homeroom authority show`, then weigh it again",
    "supplement_source": "it is heard where no other source speaks, and needs no authority",
    # Ids. The field says which of them is meant.
    "unknown_id": "this id of ours was never given out in the district: is --entity right?",
    "merged_away": "it was merged before: `homeroom crosswalk` shows into which id",
    "means_another": "not all of these outside ids mean it now: see `homeroom crosswalk`",
    "nothing_left": "one outside id must stay, or there is nothing to part it from",
    "is_an_undo": "an undo is not undone: merge or split anew",
    "touched_since": "undo first what touched them later, see `homeroom crosswalk`",
    "authority_differs": (
        "the two schools are given to different sources: lay down one for both first, "
        "by `homeroom authority set`"
    ),
    "would_silence": (
        "more records would be nobody's to speak for than may go unasked: give the school to their "
        "source first, by `homeroom authority set`, which is weighed and may be held"
    ),
    "not_of_it": "--keep is none of the two ids that are suggested",
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
