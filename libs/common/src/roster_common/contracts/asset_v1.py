"""`k12.asset.*.v1`: the life of a device, and the wish for one. On `assets`."""

from roster_common.contracts.envelope import EventData
from roster_common.contracts.oneroster_values import Day, UserRole
from roster_common.contracts.values import Moment, SourcedId, Text


class AssetFact(EventData):
    """Base of the fifteen; `source` names the inventory that said it."""

    TOPIC = "assets"

    device_id: Text
    occurred_at: Moment
    source: Text | None = None
    serial: Text | None = None
    asset_tag: Text | None = None
    model: Text | None = None
    holder_person_id: SourcedId | None = None
    site_id: SourcedId | None = None
    ticket_id: Text | None = None
    chargeable: bool | None = None
    funding_source: Text | None = None
    expected_return: Day | None = None

    def entity_key(self) -> str:
        """`device/{deviceId}`."""
        return f"device/{self.device_id}"


class AssetRegistered(AssetFact):
    """The device is known."""

    TYPE = "k12.asset.registered.v1"


class AssetAssigned(AssetFact):
    """The device belongs to a person or a place."""

    TYPE = "k12.asset.assigned.v1"


class AssetCheckedOut(AssetFact):
    """The device is lent until `expected_return`."""

    TYPE = "k12.asset.checkedout.v1"


class AssetReturned(AssetFact):
    """The device came back."""

    TYPE = "k12.asset.returned.v1"


class AssetMoved(AssetFact):
    """The device is at another site."""

    TYPE = "k12.asset.moved.v1"


class AssetReimaged(AssetFact):
    """The device has a new image."""

    TYPE = "k12.asset.reimaged.v1"


class AssetRepairOpened(AssetFact):
    """A repair began."""

    TYPE = "k12.asset.repairopened.v1"


class AssetRepairClosed(AssetFact):
    """A repair ended."""

    TYPE = "k12.asset.repairclosed.v1"


class AssetLost(AssetFact):
    """The device is reported lost."""

    TYPE = "k12.asset.lost.v1"


class AssetStolen(AssetFact):
    """The device is reported stolen."""

    TYPE = "k12.asset.stolen.v1"


class AssetDamaged(AssetFact):
    """The device is damaged."""

    TYPE = "k12.asset.damaged.v1"


class AssetFound(AssetFact):
    """A lost or stolen device is back."""

    TYPE = "k12.asset.found.v1"


class AssetStale(AssetFact):
    """The device has not been seen for longer than allowed."""

    TYPE = "k12.asset.stale.v1"


class AssetRetired(AssetFact):
    """The device is out of service for good."""

    TYPE = "k12.asset.retired.v1"


class AssetCollectionRequested(AssetFact):
    """The device is to be collected from `holder_person_id`, who left; `ticket_id` is the task."""

    TYPE = "k12.asset.collectionrequested.v1"


class AssetRequested(EventData):
    """A device is wanted for a person, for example because they joined."""

    TYPE = "k12.asset.requested.v1"
    TOPIC = "assets"

    request_id: Text
    person_id: SourcedId
    school_id: SourcedId | None = None
    role: UserRole | None = None
    reason: Text

    def entity_key(self) -> str:
        """`request/{requestId}`."""
        return f"request/{self.request_id}"
