"""How an action ended in a target: one of five values, decided by what we must do next. Pure."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from directory_sync.domain.account import ActualAccount
from directory_sync.domain.ids import PersonId
from directory_sync.domain.plan import Action, Look

# Wrong rights and broken servers say these of everybody; a rule of the target, or a bug, of one.
_PERHAPS_REFUSED: Final = frozenset({"http_403", "http_500"})
_PATIENCE: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One action for one person, or a look at what became of an earlier one."""

    person_id: PersonId
    action: Action | Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """Done and confirmed. `linked`: nothing was changed, the account stood there and is ours."""

    actual: ActualAccount
    linked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NameTaken:
    """Another account holds the username; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The account we knew is not there any more; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The target refused it and will again until facts or policy change."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """Not now. `maybe_done`: the request may have been carried out all the same."""

    code: str
    retry_after_s: float | None
    maybe_done: bool


def is_refusal(code: str, attempt: int) -> bool:
    """Whether one that is told "not now" again and again is refused, while others are served."""
    return code in _PERHAPS_REFUSED and attempt >= _PATIENCE


Outcome: TypeAlias = Applied | NameTaken | Missing | Rejected | Unavailable
