"""Which username and address an account gets. Pure.

The roster decides where it names one. Otherwise: first initial and family name, folded to ASCII
letters, at most 20 characters (the limit of Active Directory's sAMAccountName, kept everywhere so
that one person can have one name in every target), numbered from 2 when taken. A name once given
is never computed again: a person who marries keeps it until somebody decides otherwise.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_lowercase, digits

from directory_sync.domain.account import Names, NameSource
from directory_sync.domain.ids import PersonId
from directory_sync.domain.person import Person
from directory_sync.domain.policy import Policy

USERNAME_MAX = 20
_LAST_NUMBER = 9_999
_NAMELESS = "user"
_LETTERS = frozenset(ascii_lowercase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Names that are given already: key -> owner, None for an account that is not ours.

    `let_go`: usernames that no person's account bears: off, renamed, or never ours, so that the
    target has to say. They stay taken for names made up here; the roster may give them.
    """

    usernames: Mapping[str, PersonId | None]
    emails: Mapping[str, PersonId | None]
    let_go: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRefused:
    """No name can be given; `code` is a stable reason."""

    code: str


def key_of(name: str) -> str:
    """The form in which two names are the same name: targets compare them without case."""
    return unicodedata.normalize("NFKC", name).casefold()


def stem_of(name: str) -> str:
    """A name key (or the part of an address before the @) without its closing number."""
    return key_of(name).partition("@")[0].rstrip(digits)


def base_of(person: Person) -> str:
    """First initial and family name in ASCII letters, uncut; never empty."""
    given = _fold(person.preferred_first_name or person.given_name)
    family = _fold(person.preferred_last_name or person.family_name)
    return (given[:1] + family) or _NAMELESS


def stems_of(person: Person) -> tuple[str, ...]:
    """Every stem that a candidate for this person may have, longest first."""
    base = base_of(person)
    widths = range(USERNAME_MAX, USERNAME_MAX - len(str(_LAST_NUMBER)) - 1, -1)
    return tuple(dict.fromkeys(base[:width] for width in widths))


def choose(
    person: Person, *, held: Names | None, taken: Taken, policy: Policy
) -> Names | NameRefused:
    """The names this person's account must have.

    `held` are the names given before. `taken` must hold every name with one of `stems_of(person)`
    and the roster's own username. Refuses a username of the roster that somebody else uses:
    which of the two is right is a person's decision, so nothing is made up.
    """
    if person.username:
        key = key_of(person.username)
        owner = taken.usernames.get(key, person.person_id)
        if owner != person.person_id and key not in taken.let_go:
            return NameRefused(code="username_taken")
        email = person.email or _held_email(held) or _address(person.username, policy)
        return Names(username=person.username, email=email, source=NameSource.ROSTER)
    if held is not None:
        email = person.email or held.email or _address(held.username, policy)
        return Names(username=held.username, email=email, source=held.source)
    return _allocate(person, taken=taken, policy=policy)


def _allocate(person: Person, *, taken: Taken, policy: Policy) -> Names | NameRefused:
    base = base_of(person)
    for number in range(1, _LAST_NUMBER + 1):
        suffix = "" if number == 1 else str(number)
        username = base[: USERNAME_MAX - len(suffix)] + suffix
        email = person.email or _address(username, policy)
        if username in taken.usernames:
            continue
        if not person.email and email is not None and key_of(email) in taken.emails:
            continue
        return Names(username=username, email=email, source=NameSource.ALLOCATED)
    return NameRefused(code="no_username_left")


def _held_email(held: Names | None) -> str | None:
    return None if held is None else held.email


def _address(username: str, policy: Policy) -> str | None:
    if policy.email_domain is None or "@" in username:
        return None
    return f"{username}@{policy.email_domain}"


def _fold(name: str) -> str:
    spread = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in spread if letter in _LETTERS)
