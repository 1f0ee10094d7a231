"""What sis-ingest did with deliveries and snapshots: `k12.sis.*.v1`. On `sis.runs`; ids only."""

from collections.abc import Mapping
from typing import Literal

from roster_common.contracts.envelope import EventData, Wire
from roster_common.contracts.values import Count, Entity, Moment, Text


class ChangeReceived(EventData):
    """A delivery was accepted. `verified` says how its sender was proved.

    `external_id` is `withheld` where it could say who somebody is, as an address does.
    """

    TYPE = "k12.sis.change.received.v1"
    TOPIC = "sis.runs"

    connector: Text
    resource: Text
    external_id: Text
    change_type: Literal["insert", "update", "delete", "school_enrollment", "unknown"]
    delivery_id: Text
    received_at: Moment
    verified: Literal["key", "hmac", "poll"]
    source_version: Text | None = None

    def entity_key(self) -> str:
        """`delivery/{deliveryId}`."""
        return f"delivery/{self.delivery_id}"


class RunCounts(Wire):
    """Records of one collection in one run.

    Every record read is changed, unchanged, refused or held; every missing one is removed, held
    or left alone. `removed` also counts changed records that the file itself calls deleted.
    """

    read: Count = 0
    changed: Count = 0
    unchanged: Count = 0
    refused: Count = 0
    missing: Count = 0
    removed: Count = 0
    held: Count = 0


class SnapshotRun(EventData):
    """Base of the three; `sha256` is of the file as it came, `complete` that none was cut short."""

    TOPIC = "sis.runs"

    run_id: Text
    source_id: Text
    collections: Mapping[Entity, RunCounts] = {}
    complete: bool = False
    sha256: Text | None = None
    reason: Text | None = None

    def entity_key(self) -> str:
        """`snapshot/{runId}`."""
        return f"snapshot/{self.run_id}"


class SnapshotStarted(SnapshotRun):
    """A run began to read."""

    TYPE = "k12.sis.snapshot.started.v1"


class SnapshotCompleted(SnapshotRun):
    """A run ended and its effects stand; `reason` says why it did nothing, if so."""

    TYPE = "k12.sis.snapshot.completed.v1"


class SnapshotFailed(SnapshotRun):
    """A run ended without effect; `reason` is a stable code."""

    TYPE = "k12.sis.snapshot.failed.v1"
