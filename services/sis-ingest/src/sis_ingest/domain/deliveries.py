"""A delivery: raw bytes from outside, and what became of them. Pure."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

DeliveryKind: TypeAlias = Literal["webhook", "snapshot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A source within its district: every key of what a source said begins with it."""

    district_id: str
    source_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """What arrived at the webhook door: headers by lower-case name, and the bytes.

    `token` is a further segment of the path, for systems that cannot sign.
    """

    headers: Mapping[str, str]
    body: bytes
    token: str | None

    def kept(self, names: Set[str]) -> Mapping[str, str]:
        """The headers of these names; one with a control character was never sent."""
        found = {name: self.headers.get(name, "") for name in sorted(names)}
        return {name: value for name, value in found.items() if value and value.isprintable()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A webhook as it came in. `external_id` is the sender's own id of it (`webhook-id`).

    `headers` are those that its reader needs besides the body. `body` is None
    when it cannot be had any more: the key that sealed it is gone, or it was purged.
    """

    delivery_id: str
    place: Place
    external_id: str
    correlation_id: str
    received_at: datetime
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEnd:
    """How a delivery ended; `outcome` is a verdict, or the reason of a refusal."""

    delivery_id: str
    state: Literal["applied", "refused"]
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """What a webhook says, before it has a cause: see `changes.Change` for the fields.

    `time_field` is where its sender wrote `occurred_at`.
    """

    entity: Literal[
        "org", "academicSession", "course", "class", "user", "enrollment", "demographics"
    ]
    external_id: str
    record: dict[str, object] | None
    content_hash: bytes
    deleted: bool
    version: int | None
    occurred_at: datetime
    time_field: str = "occurredAt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Where a source says something changed: an item of a section of its own interface."""

    section: str
    item_id: str
