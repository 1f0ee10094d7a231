"""What this service tells the house, in its own words. Pure.

adapters/events.py turns each into its contract; a test compares the two lists.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from sis_ingest.domain.changes import Cause
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.guards import Hold
from sis_ingest.domain.records import Record
from sis_ingest.domain.runs import Run
from sis_ingest.domain.suggestions import Suggestion

KeyChange: TypeAlias = Literal["sis_migration", "merge", "split"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordUpserted:
    """A resolved record is new or says something else; `before_hash` is None when it is new."""

    district_id: str
    cause: Cause
    entity: Entity
    record: Record
    changed: tuple[str, ...]
    before_hash: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordToBeDeleted:
    """A resolved record is gone; `merged_into` is the id that stands for it from now on."""

    district_id: str
    cause: Cause
    entity: Entity
    entity_id: str
    reason: Literal["source_deleted", "not_in_snapshot", "republished", "merged", "no_authority"]
    merged_into: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReceived:
    """A webhook was read. Told when it is applied, so that accepting stays one short write."""

    district_id: str
    cause: Cause
    source_id: str
    entity: Entity
    external_id: str
    deleted: bool
    received_at: datetime
    verified: Literal["hmac", "key", "poll"]
    version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotMoved:
    """A snapshot run began or ended."""

    moment: Literal["started", "completed", "failed"]
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideIdLinked:
    """An outside id not seen before means a person we know; `decided_by` is `rule`."""

    district_id: str
    cause: Cause
    entity: Entity
    entity_id: str
    source_id: str
    external_id: str
    match_rule: str
    decided_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideIdMerged:
    """An outside id that meant `merged_id` means `entity_id` now."""

    district_id: str
    cause: Cause
    entity: Entity
    entity_id: str
    merged_id: str
    source_id: str
    external_id: str
    match_rule: str
    decided_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideIdSplit:
    """An outside id left `split_from_id`, which stays, and means `entity_id` now."""

    district_id: str
    cause: Cause
    entity: Entity
    entity_id: str
    split_from_id: str
    source_id: str
    external_id: str
    match_rule: str
    decided_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionMoved:
    """Two of our ids may be one, or a person said that they are."""

    moment: Literal["suggested", "confirmed"]
    suggestion: Suggestion
    cause: Cause

    @property
    def district_id(self) -> str:
        """The suggestion's."""
        return self.suggestion.district_id


@dataclass(frozen=True, slots=True, kw_only=True)
class UserKeyChanged:
    """The outside ids a person is known by have changed; our id stays."""

    district_id: str
    cause: Cause
    person_id: str
    old_keys: tuple[str, ...]
    new_keys: tuple[str, ...]
    reason: KeyChange


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldMoved:
    """A hold was opened or holds other things now (`tripped`), or ended."""

    moment: Literal["tripped", "approved", "rejected", "expired"]
    hold: Hold
    rejected_by: str | None = None


DomainEvent: TypeAlias = (
    RecordUpserted
    | RecordToBeDeleted
    | ChangeReceived
    | SnapshotMoved
    | OutsideIdLinked
    | OutsideIdMerged
    | OutsideIdSplit
    | SuggestionMoved
    | UserKeyChanged
    | HoldMoved
)
