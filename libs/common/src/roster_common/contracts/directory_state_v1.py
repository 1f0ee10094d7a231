"""Around an account: memberships, drift, credentials, placement. On `directory.accounts`."""

from typing import Literal

from roster_common.contracts.envelope import EventData
from roster_common.contracts.values import Moment, SourcedId, Text


class DirectoryFact(EventData):
    """Base: one person in one target."""

    TOPIC = "directory.accounts"

    target: Text
    person_id: SourcedId
    account_id: Text | None = None

    def entity_key(self) -> str:
        """`person/{personId}`."""
        return f"person/{self.person_id}"


class MembershipChange(DirectoryFact):
    """Base of the two; `group_id` is the target's own id, `reason` why the group is wanted."""

    group_id: Text
    reason: Literal["class", "grade", "org", "role", "policy"] | None = None


class MembershipAdded(MembershipChange):
    """The account is in the group."""

    TYPE = "k12.directory.membership.added.v1"


class MembershipRemoved(MembershipChange):
    """The account is no longer in the group."""

    TYPE = "k12.directory.membership.removed.v1"


class DriftDetected(DirectoryFact):
    """Somebody changed `field` in the target; values travel as hashes only."""

    TYPE = "k12.directory.drift.detected.v1"

    field: Text
    expected_hash: Text | None = None
    actual_hash: Text | None = None


class CredentialIssued(DirectoryFact):
    """A first credential was handed over by a channel; never the credential itself."""

    TYPE = "k12.directory.credential.issued.v1"

    delivery_channel: Text
    expires_at: Moment | None = None


class PlacementChanged(DirectoryFact):
    """The account now stands under `placement` (an organisational unit), which sets its policy."""

    TYPE = "k12.directory.policy.placement_changed.v1"

    placement: Text
    previous_placement: Text | None = None
    reason: Literal["class", "grade", "org", "role", "policy"] | None = None
