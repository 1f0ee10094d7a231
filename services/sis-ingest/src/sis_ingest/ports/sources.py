"""The shape of a source: what a vendor room says of itself, and what one is here.

A vendor room (sources/<sis>/) takes `SourceSpec` from here, never from `sources/` itself.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from roster_common.holds import Limit
from sis_ingest.domain.deliveries import Hint, Incoming, Knock, Place
from sis_ingest.domain.guards import LIMITS, GuardKey
from sis_ingest.ports.pulls import Pulling, PullSpec
from sis_ingest.ports.snapshots import SnapshotReader


class WebhookReader(Protocol):
    """How one kind of source proves and words its webhooks. Pure."""

    @property
    def by_token(self) -> bool:
        """Whether its senders cannot sign and knock at an unguessable path instead."""
        ...

    @property
    def keeps(self) -> Set[str]:
        """Names of the headers, in lower case, that `read` needs."""
        ...

    def is_secret(self, text: str) -> bool:
        """Whether `text` can be a secret of this kind at all; asked at the start."""
        ...

    def verify(self, knock: Knock, *, secrets: Sequence[str], now: datetime) -> str:
        """The sender's own id of the delivery. Raises `NotVerified`."""
        ...

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[Incoming]:
        """What it says, in its order; nothing, if it is a trial. `headers` are those in `keeps`.

        Raises `Invalid` naming the field, never a value.
        """
        ...


class HintReader(Protocol):
    """How one kind of source words webhooks that only say where to look. Pure.

    Its `WebhookReader.read` tells no change; what the hints name is read from the source anew.
    """

    def hints(self, headers: Mapping[str, str], body: bytes) -> Sequence[Hint]:
        """What to read; nothing, if it is a trial. Raises `Invalid` naming the field."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """One kind of source, as its vendor room describes itself.

    A `supplement` knows people whom no SIS has, and is silent about all others. `snapshot` finds
    out by itself how a file is laid out; `profiles` are readers of one layout each, by name.
    """

    kind: str
    title: str
    webhook: WebhookReader | None = None
    snapshot: SnapshotReader | None = None
    pull: PullSpec | None = None
    hints: HintReader | None = None
    profiles: Mapping[str, SnapshotReader] = field(default_factory=dict)
    supplement: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One configured source: what it can do here. Without secrets it takes no webhooks.

    `pulled` reads what `pulling` brought.
    `limits` are those of its guards, one for each. When it has not been heard of with success for
    `expect_every_s` seconds, readiness says so.
    """

    place: Place
    kind: str
    secrets: tuple[str, ...]
    webhook: WebhookReader | None
    snapshot: SnapshotReader | None
    supplement: bool = False
    pulling: Pulling | None = None
    pulled: SnapshotReader | None = None
    hints: HintReader | None = None
    limits: Mapping[GuardKey, Limit] = field(default_factory=lambda: LIMITS)
    expect_every_s: int | None = None


class Sources(Protocol):
    """The configured sources."""

    def get(self, source_id: str) -> Source | None:
        """The source, or None when no such id is configured."""
        ...

    def all(self) -> Iterable[Source]:
        """Every configured source."""
        ...
