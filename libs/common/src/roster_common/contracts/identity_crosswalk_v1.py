"""`k12.identity.crosswalk.*.v1`: which outside id means which of ours. On `sis.runs`."""

from typing import Annotated

from pydantic import Field

from roster_common.contracts.envelope import EventData
from roster_common.contracts.values import Entity, SourcedId, Text


class CrosswalkDecision(EventData):
    """Base of those that moved an outside id; `decided_by` is `rule` or an operator's subject.

    `external_id` is `withheld` where it could say who somebody is, as an address does.
    """

    TOPIC = "sis.runs"

    entity: Entity
    id: SourcedId
    system: Text
    external_id: Text
    match_rule: Text
    decided_by: Text

    def entity_key(self) -> str:
        """`crosswalk/{entity}/{id}`."""
        return f"crosswalk/{self.entity}/{self.id}"


class CrosswalkLinked(CrosswalkDecision):
    """An outside id now means `id`."""

    TYPE = "k12.identity.crosswalk.linked.v1"


class CrosswalkMerged(CrosswalkDecision):
    """What was `merged_id` is now `id`."""

    TYPE = "k12.identity.crosswalk.merged.v1"

    merged_id: SourcedId | None = None


class CrosswalkSplit(CrosswalkDecision):
    """The outside id left `split_from_id` and is now `id`."""

    TYPE = "k12.identity.crosswalk.split.v1"

    split_from_id: SourcedId | None = None


class CrosswalkPair(EventData):
    """Base of what is said about two of our ids, `id` sorting before `other_id`; no name.

    `score` (0 to 100) is how much speaks for it.
    """

    TOPIC = "sis.runs"

    suggestion_id: Text
    entity: Entity
    id: SourcedId
    other_id: SourcedId
    match_rule: Text
    score: Annotated[int, Field(ge=0, le=100)]

    def entity_key(self) -> str:
        """`crosswalk/{entity}/{id}`."""
        return f"crosswalk/{self.entity}/{self.id}"


class CrosswalkSuggested(CrosswalkPair):
    """The two may be one: a person is asked, and nothing was merged."""

    TYPE = "k12.identity.crosswalk.suggested.v1"


class CrosswalkConfirmed(CrosswalkPair):
    """A person said that the two are one; `merged` tells what became of it."""

    TYPE = "k12.identity.crosswalk.confirmed.v1"

    decided_by: Text
