"""Desired x actual -> one action. Pure, and knows no directory.

Event handling and full reconcile both end here. Nothing is ever deleted: a person who should have
no account gets a disabled one. Source: shared invariant "convergence": planning again after an
applied plan gives nothing (tests/unit/directory-sync/domain/test_plan.py holds it as a property).
"""

from dataclasses import dataclass
from typing import TypeAlias

from directory_sync.domain.account import ActualAccount, Asked, Attributes, DesiredAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One owned attribute: its path in the target, and its new value (None removes it)."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make the account; it starts enabled."""

    desired: DesiredAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Change attributes of an enabled account."""

    actual: ActualAccount
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disable:
    """Switch the account off and leave everything else as it is."""

    actual: ActualAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class Enable:
    """Switch the same account on again and bring its attributes up to date."""

    actual: ActualAccount
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Find out whether a create whose answer we never saw was carried out; changes nothing.

    With `account_id`: how that account stands, of which no more is known.
    """

    username: str
    account_id: str | None = None


Action: TypeAlias = Create | Update | Disable | Enable


def plan(
    desired: DesiredAccount | None, actual: ActualAccount | None, unheeded: Asked | None = None
) -> Action | None:
    """The one action that brings `actual` to `desired`; None when there is nothing to do.

    `desired` None: nobody is to use an account. `actual` None: no account is known. A value in
    `unheeded` was asked for in vain and is left out.
    """
    if desired is None:
        return Disable(actual=actual) if actual is not None and actual.enabled else None
    if actual is None:
        return Create(desired=desired)
    asked_before = (unheeded or {}).items()
    changes = tuple(
        change
        for change in diff(desired.attributes, actual.attributes)
        if (change.name, change.value) not in asked_before
    )
    if not actual.enabled:
        return Enable(actual=actual, changes=changes)
    return Update(actual=actual, changes=changes) if changes else None


def diff(desired: Attributes, actual: Attributes) -> tuple[Change, ...]:
    """Attributes to set or remove, sorted by name. An owned attribute not desired is removed."""
    names = sorted(desired.keys() | actual.keys())
    return tuple(
        Change(name=name, value=desired.get(name))
        for name in names
        if desired.get(name) != actual.get(name)
    )


def not_taken(action: Action, answer: ActualAccount, before: Asked) -> Asked:
    """What the target did not take though it said yes: of this action, and of earlier ones.

    `answer` is the account as it showed it. `before`: what it had not taken until now.
    """
    match action:
        case Create(desired=desired):
            return {c.name: c.value for c in diff(desired.attributes, answer.attributes)}
        case Update(changes=changes) | Enable(changes=changes):
            asked = {change.name: change.value for change in changes}
            vain = {n: v for n, v in asked.items() if answer.attributes.get(n) != v}
            return {n: v for n, v in before.items() if n not in asked} | vain
        case Disable():
            return before
