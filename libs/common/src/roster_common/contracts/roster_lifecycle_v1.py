"""Who joined, moved and left: `k12.roster.person.*.v1`, `k12.roster.enrollment.moved.v1`.

On `roster.lifecycle`. Only roster-publisher derives these, after its settle time, so a move
between schools is never a leaver.
"""

from roster_common.contracts.envelope import EventData
from roster_common.contracts.oneroster_values import Day, UserRole
from roster_common.contracts.values import Moment, SourcedId


class PersonLifecycle(EventData):
    """Base of the three; `role` is the primary role, org lists hold sourcedIds."""

    TOPIC = "roster.lifecycle"

    person_id: SourcedId
    role: UserRole
    from_org_ids: tuple[SourcedId, ...] = ()
    to_org_ids: tuple[SourcedId, ...] = ()
    effective_at: Moment

    def entity_key(self) -> str:
        """`person/{personId}`."""
        return f"person/{self.person_id}"


class PersonJoined(PersonLifecycle):
    """The person has a first active role."""

    TYPE = "k12.roster.person.joined.v1"


class PersonMoved(PersonLifecycle):
    """The person's active roles are at other orgs than before."""

    TYPE = "k12.roster.person.moved.v1"


class PersonLeft(PersonLifecycle):
    """The person's last active role is gone, or the id ended in a merge.

    `merged_into` is the id the same person has from now on: nobody left. It may be told of
    somebody who had been told as left before.
    """

    TYPE = "k12.roster.person.left.v1"

    merged_into: SourcedId | None = None


class EnrollmentMoved(EventData):
    """The person changed from one class to another; `effective_date` is the first day there."""

    TYPE = "k12.roster.enrollment.moved.v1"
    TOPIC = "roster.lifecycle"

    person_id: SourcedId
    from_class_id: SourcedId
    to_class_id: SourcedId
    effective_date: Day

    def entity_key(self) -> str:
        """`person/{personId}`: in order with the person's other steps."""
        return f"person/{self.person_id}"
