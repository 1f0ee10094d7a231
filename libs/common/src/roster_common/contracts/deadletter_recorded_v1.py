"""`k12.deadletter.recorded.v1`: a consumer set an event aside. On `deadletter.<service>`.

A reference and a reason: no body and no message text, so it may live longer than the body.
"""

from roster_common.contracts.envelope import EventData
from roster_common.contracts.values import Count, Text


class DeadLetterRecorded(EventData):
    """Where the event stands (`topic`, `partition`, `offset`) and why it failed.

    `reason` is a stable code, `field` a path; `event_id` and `event_type` are absent when the
    envelope itself could not be read; `sequence` counts the group's dead letters.
    """

    TYPE = "k12.deadletter.recorded.v1"
    TOPIC = "deadletter.{service}"

    group: Text
    topic: Text
    partition: Count
    offset: Count
    sequence: Count | None = None
    event_id: Text | None = None
    event_type: Text | None = None
    reason: Text
    field: Text | None = None
    attempts: Count = 1

    def entity_key(self) -> str:
        """`{group}/{topic}/{partition}/{offset}`: the same event set aside twice is one."""
        return f"{self.group}/{self.topic}/{self.partition}/{self.offset}"
