"""The id rule: one person, one id, for life. Pure; the caller brings the source of new ids.

Our id is the first outside id seen if it is valid and free, so that a district which moves its
vendors to us re-keys nobody; else it is minted. Ids given out never change and are never reused.
Ours stand in logs and addresses, so an outside id that may be an e-mail address is never one.
"""

import re
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sis_ingest.domain.references import IdKey

# OneRoster's GUID characters (CSV binding 1.2.1) without @: an address says who somebody is.
_VALID_ID: Final = re.compile(r"[0-9A-Za-z._/-]{1,255}")
WITHHELD: Final = "withheld"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What an outside id meant from when to when; `valid_to` None means today.

    `match_rule` says why; `decided_by` is `rule` or an operator's subject.
    """

    source_id: str
    external_id: str
    entity_id: str
    match_rule: str
    decided_by: str
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """An outside id that meant `was` and means `entity_id` now."""

    source_id: str
    external_id: str
    was: str
    entity_id: str


def candidate_id(external_id: str) -> str | None:
    """The outside id, trimmed, if it may serve as ours, and stand where ours do; else None."""
    trimmed = external_id.strip()
    return trimmed if _VALID_ID.fullmatch(trimmed) else None


def on_the_log(external_id: str) -> str:
    """The outside id as others may read it for days: `withheld` unless it may serve as ours.

    An address, or a name, says who somebody is; the crosswalk's page shows it to an operator.
    """
    return WITHHELD if candidate_id(external_id) is None else external_id


def allot(
    wanted: Iterable[IdKey], taken: Set[IdKey], new_id: Callable[[], str]
) -> dict[IdKey, str]:
    """Our ids for outside ids not seen before, in the order given (the first one wins a tie).

    `taken` holds the candidates of this district that were ever given out, per id space.
    """
    given: dict[IdKey, str] = {}
    used = set(taken)
    for key in wanted:
        if key in given:
            continue
        space, external_id = key
        candidate = candidate_id(external_id)
        ours = new_id() if candidate is None or (space, candidate) in used else candidate
        given[key] = ours
        used.add((space, ours))
    return given
