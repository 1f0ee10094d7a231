"""Suggestions: two of our ids that may be one, for a person to say. Pure; they never link.

Source: ADR 0014.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from sis_ingest.domain.entities import Entity
from sis_ingest.domain.matching import MatchRule, Near

SuggestionRule: TypeAlias = MatchRule | Literal["same_name_and_birth_date", "operator"]
SuggestionState: TypeAlias = Literal["open", "confirmed", "dismissed"]

# How much a rule says when it is not certain, of a hundred.
SCORES: Final[Mapping[SuggestionRule, int]] = {
    "same_state_id": 90,
    "same_legacy_id": 80,
    "same_local_id": 70,
    "same_email": 60,
    "same_name_and_birth_date": 50,
    # Never suggested: a person parted the two.
    "operator": 0,
}
# A key that more records share is no key: a person could not say anything about it either.
MOST_NEAR: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """`one_id` sorts before `other_id`, so a pair has one suggestion whoever came first."""

    suggestion_id: str
    district_id: str
    entity: Entity
    one_id: str
    other_id: str
    rule: SuggestionRule
    state: SuggestionState
    suggested_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None

    @property
    def score(self) -> int:
        """0 to 100: how much speaks for it."""
        return SCORES[self.rule]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Two of our ids that a rule met; not yet suggested."""

    entity: Entity
    one_id: str
    other_id: str
    rule: SuggestionRule

    def suggested(self, district_id: str, suggestion_id: str, *, at: datetime) -> Suggestion:
        """The pair as an open suggestion."""
        return Suggestion(
            suggestion_id=suggestion_id,
            district_id=district_id,
            entity=self.entity,
            one_id=self.one_id,
            other_id=self.other_id,
            rule=self.rule,
            state="open",
            suggested_at=at,
        )


def alike(entity: Entity, one: str, other: str, rule: SuggestionRule) -> Alike:
    """The pair in its order."""
    first, second = sorted((one, other))
    return Alike(entity=entity, one_id=first, other_id=second, rule=rule)


def from_conflicts(entity: Entity, near: Iterable[tuple[str, Near]]) -> Iterator[Alike]:
    """Of our ids and what each was near to: of people and orgs, and never of many at once."""
    if entity not in ("user", "org"):
        return
    for ours, found in near:
        if len(found) <= MOST_NEAR:
            for other, rule in found.items():
                if other != ours:
                    yield alike(entity, ours, other, rule)
