"""The id rule: one person, one id, for life. Pure; the caller brings the source of new ids.

Our id is the first outside id seen if it is valid and free, so that a district which moves its
vendors to us re-keys nobody; else it is minted. Ids given out never change and are never reused.
Ours stand in logs and addresses, so an outside id that may be an e-mail address is never one.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from sis_ingest.domain.entities import Entity
from sis_ingest.domain.references import IdKey

DecisionKind: TypeAlias = Literal["merge", "split", "undo"]
OutsideId: TypeAlias = tuple[str, str]

# OneRoster's GUID characters (CSV binding 1.2.1) without @: an address says who somebody is.
_VALID_ID: Final = re.compile(r"[0-9A-Za-z._/-]{1,255}")
WITHHELD: Final = "withheld"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What an outside id meant from when to when; `valid_to` None means today.

    `match_rule` says why; `decided_by` is `rule` or an operator's subject; `decision_id` names the
    decision that moved it here, where one did.
    """

    source_id: str
    external_id: str
    entity_id: str
    match_rule: str
    decided_by: str
    valid_from: datetime
    valid_to: datetime | None
    decision_id: str | None = None

    @property
    def outside(self) -> OutsideId:
        """(source, its id)."""
        return self.source_id, self.external_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """An outside id that meant `was` and means `entity_id` now."""

    source_id: str
    external_id: str
    was: str
    entity_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Why outside ids mean others of our ids than before; `decided_by` as in `Meaning`.

    An `undo` names the decision it `undoes`; `undone_by` is the one that took this one back.
    """

    decision_id: str
    district_id: str
    entity: Entity
    kind: DecisionKind
    match_rule: str
    decided_by: str
    decided_at: datetime
    correlation_id: str
    undoes: str | None = None
    undone_by: str | None = None


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


def current(history: Iterable[Meaning]) -> Mapping[str, Sequence[Meaning]]:
    """The meanings that hold today, by our id."""
    found: dict[str, list[Meaning]] = {}
    for meaning in history:
        if meaning.valid_to is None:
            found.setdefault(meaning.entity_id, []).append(meaning)
    return found


def stand_ins(history: Iterable[Meaning]) -> Mapping[str, str]:
    """The id of ours that stands for each today: itself while it lives, else where its outside
    ids went; none where they went several ways. `history` holds all of their outside ids.
    """
    meanings = list(history)
    now = {m.outside: m.entity_id for m in meanings if m.valid_to is None}
    living = set(now.values())
    went: dict[str, set[str]] = {}
    for meaning in meanings:
        if meaning.outside in now:
            went.setdefault(meaning.entity_id, set()).add(now[meaning.outside])
    return {
        ours: ours if ours in living else next(iter(ids))
        for ours, ids in went.items()
        if ours in living or len(ids) == 1
    }


def id_before(history: Sequence[Meaning], outside: Set[OutsideId], entity_id: str) -> str | None:
    """The id of ours that these outside ids had before they got `entity_id`, if it may be theirs.

    It may if all of them had it, it has ended, and nobody else ever had it: an id given out is
    given back to those who had it and to nobody else. `history` holds theirs and that id's own.
    """
    earlier: dict[OutsideId, str] = {}
    for meaning in sorted(history, key=lambda m: m.valid_from):
        if meaning.outside in outside and meaning.entity_id != entity_id:
            earlier[meaning.outside] = meaning.entity_id
    if earlier.keys() != outside or len(set(earlier.values())) != 1:
        return None
    before = next(iter(earlier.values()))
    ever = {m.outside for m in history if m.entity_id == before}
    living = any(m.valid_to is None for m in history if m.entity_id == before)
    return None if living or not ever <= outside else before


def touched_since(
    history: Iterable[Meaning], moves: Iterable[Moved], decision_id: str
) -> Sequence[Meaning]:
    """What else began or ended for the ids of a decision since it moved outside ids.

    `history` holds every meaning of both ids of each move.
    """
    ids = {ours for move in moves for ours in (move.was, move.entity_id)}
    theirs = [meaning for meaning in history if meaning.entity_id in ids]
    begun = {m.outside: m.valid_from for m in theirs if m.decision_id == decision_id}
    since = min(begun.values())

    def touched(meaning: Meaning) -> bool:
        if meaning.decision_id == decision_id:
            return meaning.valid_to is not None
        ended = meaning.valid_to
        return meaning.valid_from >= since or (
            ended is not None and ended >= since and ended != begun.get(meaning.outside)
        )

    return [meaning for meaning in theirs if touched(meaning)]
