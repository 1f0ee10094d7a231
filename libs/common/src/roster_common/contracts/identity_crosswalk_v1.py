"""`k12.identity.crosswalk.*.v1`: which outside id means which of ours. On `sis.runs`."""

from roster_common.contracts.envelope import EventData
from roster_common.contracts.values import Entity, SourcedId, Text


class CrosswalkDecision(EventData):
    """Base of the three; `decided_by` is `rule` or an operator's subject.

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
