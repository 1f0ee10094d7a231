"""What a full reading of a target shows: which of our accounts stand otherwise than we know. Pure.

Nothing is concluded from a list that may be cut: an empty or shrunken one changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from directory_sync.domain.account import ActualAccount
from directory_sync.domain.ids import PersonId
from roster_common.holds import Limit, trips

# As many accounts of ours may be missing from a list that is believed.
MISSING: Final = Limit(count=25, share=0.05)
ACCOUNT: Final = "account"
ACTIVE: Final = "active"


class ReadOutcome(StrEnum):
    """What became of a full reading."""

    BELIEVED = "believed"
    EMPTY = "empty"
    SHRUNKEN = "shrunken"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An account of ours as last confirmed. `busy`: it changed since the reading began, or is
    being changed, so the reading says nothing of it.
    """

    person_id: PersonId
    actual: ActualAccount
    busy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that somebody else changed; hashes stand for values."""

    field: str
    expected_hash: str | None
    actual_hash: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """An account of ours that stands otherwise; `seen` None when it is gone."""

    known: Known
    seen: ActualAccount | None
    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A full reading that is under way; `reading_id` is the correlation id of what it finds."""

    reading_id: str
    began_at: datetime


def judge_list(*, listed: int, known: int, missing: int) -> ReadOutcome:
    """Whether a list of `listed` accounts is believed, of our `known` ones `missing` are not in."""
    if known and not listed:
        return ReadOutcome.EMPTY
    if trips(MISSING, wanted=missing, spent=0, population=known):
        return ReadOutcome.SHRUNKEN
    return ReadOutcome.BELIEVED


def drift(known: Known, seen: ActualAccount | None) -> Drifted | None:
    """How an account differs from what was last confirmed; None when it does not, or is busy."""
    if known.busy:
        return None
    before = known.actual
    if seen is None:
        gone = Difference(field=ACCOUNT, expected_hash=_hash(before.account_id), actual_hash=None)
        return Drifted(known=known, seen=None, differences=(gone,))
    names = set[str]() if before.is_bare else before.attributes.keys() | seen.attributes.keys()
    pairs = [
        (name, before.attributes.get(name), seen.attributes.get(name)) for name in sorted(names)
    ]
    pairs.append((ACTIVE, str(before.enabled), str(seen.enabled)))
    differences = [
        Difference(field=name, expected_hash=_hash(expected), actual_hash=_hash(actual))
        for name, expected, actual in pairs
        if expected != actual
    ]
    return Drifted(known=known, seen=seen, differences=differences) if differences else None


def _hash(value: str | None) -> str | None:
    return None if value is None else sha256(value.encode()).hexdigest()
