"""Which account found in a target belongs to a person. Pure.

Used only while a person has no account of ours there. Source: one candidate links, none creates,
several or one that is somebody else's stops for a person to decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from directory_sync.domain.account import ActualAccount
from directory_sync.domain.ids import PersonId
from directory_sync.domain.names import key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRefused:
    """More than one account could be this person's; `code` is a stable reason."""

    code: str


def match_found(
    person_id: PersonId, *, username: str | None, found: Sequence[ActualAccount]
) -> ActualAccount | MatchRefused | None:
    """The account that is this person's: by our id in externalId, else by the roster's username.

    `found` may hold accounts of others; those that carry another externalId never match.
    """
    ours = [account for account in found if account.external_id == person_id]
    if len(ours) > 1:
        return MatchRefused(code="ambiguous_match")
    if ours:
        return ours[0]
    if username is None:
        return None
    named = [a for a in found if not a.external_id and key_of(a.username) == key_of(username)]
    if len(named) > 1:
        return MatchRefused(code="ambiguous_match")
    return named[0] if named else None
