"""What planning comes to for one person, and what others read from it. Pure."""

from dataclasses import dataclass
from typing import TypeAlias

from directory_sync.domain.account import ActualAccount, Names
from directory_sync.domain.fact import AccountNamed
from directory_sync.domain.plan import Action, Create, Disable, Enable, Look, Update
from directory_sync.domain.plans import DISABLE
from directory_sync.domain.work import AccountWrite, Claimed
from directory_sync.ports import Wiring


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One person with an action to carry out. `names` are those the account will have."""

    claimed: Claimed
    names: Names | None
    known: ActualAccount | None
    action: Action | Look

    @property
    def links(self) -> bool:
        """Whether the account stood there and becomes this person's now."""
        return links(self.claimed, self.known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Nothing to ask the target for; `write` when our record changes all the same.

    `linked`: an account that stood there is this person's from now on.
    """

    claimed: Claimed
    write: AccountWrite | None
    named: AccountNamed | None
    linked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No action can be given until facts or policy change; `code` says why."""

    claimed: Claimed
    names: Names | None
    actual: ActualAccount | None
    code: str


Result: TypeAlias = Prepared | Settled | Refused


def is_idle(result: Result) -> bool:
    """Whether a round would neither do nor say anything."""
    return isinstance(result, Settled) and not result.linked and result.named is None


def links(one: Claimed, actual: ActualAccount | None) -> bool:
    """Whether an account that stood there becomes this person's."""
    return actual is not None and (one.record is None or one.record.actual is None)


def action_of(result: Result) -> str | None:
    """The word for what a result wants; None for nothing, a refusal, or a mere look."""
    match result:
        case Prepared(action=Create()):
            return "create"
        case Prepared(action=Update()):
            return "update"
        case Prepared(action=Disable()):
            return DISABLE
        case Prepared(action=Enable()):
            return "enable"
        case Settled(linked=True):
            return "link"
        case _:
            return None


def attributes_of(result: Result) -> tuple[str, ...]:
    """Names of the attributes that a result would write."""
    match result:
        case Prepared(action=Create(desired=desired)):
            return tuple(sorted(desired.attributes))
        case Prepared(action=Update(changes=changes) | Enable(changes=changes)):
            return tuple(change.name for change in changes)
        case _:
            return ()


def named_fact(wiring: Wiring, one: Claimed, names: Names | None) -> AccountNamed | None:
    """What goes back to the roster when the directory decided a name that the roster lacks.

    None when it was told before.
    """
    person = one.person
    if names is None or person is None or (person.username and (person.email or not names.email)):
        return None
    if one.record is not None and one.record.named:
        return None
    return AccountNamed(
        district_id=wiring.policy.district_id,
        target_id=wiring.policy.target_id,
        person_id=one.person_id,
        username=names.username,
        email=names.email,
        cause=one.cause,
    )


def names_of(result: Result) -> Names | None:
    """The names that a result gives this person; None when it gives none."""
    match result:
        case Prepared(names=names):
            return names
        case Settled(write=AccountWrite(names=names)):
            return names
        case _:
            return None
