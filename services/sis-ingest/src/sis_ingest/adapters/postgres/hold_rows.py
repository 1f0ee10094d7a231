"""Rows of holds and of their items as the domain knows them."""

from typing import Any

from roster_common.holds import Decision, Limit
from sis_ingest.domain.changes import Cause, Change
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import ENTITIES
from sis_ingest.domain.guards import Hold


def to_hold(row: Any) -> Hold:
    """A row of `hold` as the domain knows it."""
    return Hold(
        hold_id=str(row["hold_id"]),
        place=Place(district_id=row["district_id"], source_id=row["source_id"]),
        entity=ENTITIES[row["entity"]],
        operation=row["operation"],
        count=row["count"],
        population=row["population"],
        threshold=Limit(count=row["limit_count"], share=row["limit_share"]),
        decision=Decision(
            state=row["state"],
            items_hash=row["items_hash"],
            expires_at=row["expires_at"],
            approvals=tuple(row["approvals"]),
            approvals_needed=row["approvals_needed"],
        ),
        cause=_cause(row),
        run_id=None if row["run_id"] is None else str(row["run_id"]),
        created_at=row["created_at"],
        sample=tuple(row["sample"]),
        reason=row["reason"],
        released=row["released"],
        done_at=row["done_at"],
    )


def to_change(hold: Hold, row: Any) -> Change:
    """A row of `hold_item` as the change that waits."""
    return Change(
        entity=hold.entity,
        external_id=row["external_id"],
        record=row["data"],
        content_hash=row["content_hash"],
        deleted=hold.operation == "remove",
        version=row["version"],
        occurred_at=row["occurred_at"],
        cause=_cause(row),
        absent=row["absent"],
    )


def _cause(row: Any) -> Cause:
    return Cause(
        correlation_id=row["correlation_id"],
        delivery_id=str(row["delivery_id"]),
        origin=row["origin"],
    )
