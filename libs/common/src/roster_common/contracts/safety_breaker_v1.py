"""`k12.safety.breaker.*.v1`: a guard stopped something, and how that ended. On `safety`."""

from typing import Literal

from roster_common.contracts.envelope import EventData
from roster_common.contracts.values import Count, Entity, Percent, Text


class BreakerFact(EventData):
    """Base of the four; counts say what was held, `plan_hash` exactly which items.

    `guard` is the rule's stable name; `subject_name` the source, target or profile it guards.
    """

    TOPIC = "safety"

    hold_id: Text
    guard: Text
    subject_name: Text
    entity: Entity | None = None
    operation: Literal["add", "update", "remove", "disable"]
    count: Count
    population: Count
    percent: Percent | None = None
    limit: Count | None = None
    limit_percent: Percent | None = None
    plan_hash: Text | None = None

    def entity_key(self) -> str:
        """`hold/{holdId}`."""
        return f"hold/{self.hold_id}"


class BreakerTripped(BreakerFact):
    """Something waits for a person."""

    TYPE = "k12.safety.breaker.tripped.v1"


class BreakerApproved(BreakerFact):
    """An operator released what `plan_hash` covers; subjects of their tokens."""

    TYPE = "k12.safety.breaker.approved.v1"

    approver: Text
    second_approver: Text | None = None


class BreakerRejected(BreakerFact):
    """An operator refused it; `reason` is a stable word."""

    TYPE = "k12.safety.breaker.rejected.v1"

    rejected_by: Text
    reason: Text | None = None


class BreakerExpired(BreakerFact):
    """Nobody decided in time; nothing was done."""

    TYPE = "k12.safety.breaker.expired.v1"
