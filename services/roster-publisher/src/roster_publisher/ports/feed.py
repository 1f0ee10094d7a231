"""What reading the change feed needs: what may have changed, and how it looks now."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from roster_publisher.domain.change_feed import Spot, Version
from roster_publisher.domain.queries import CollectionQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Spots in their order, and the district's newest revision and stamp in the same snapshot.

    A spot is only where something may stand: a record stands where its newest version says. Not
    `full`: there is nothing behind the last spot. `newest_ms` is 0 for a district never seen;
    `purged_ms` is the newest stamp of a deletion that is no longer told; `bulk_until` is when the
    last bulk ends or ended.
    """

    spots: Sequence[Spot]
    full: bool
    revision: int
    newest_ms: int
    purged_ms: int
    bulk_until: datetime | None


class ChangeFeed(Protocol):
    """Reads of the feed. `queries` are the collections opened, of one grant, without filters."""

    async def after(self, queries: Sequence[CollectionQuery], spot: Spot, *, few: bool) -> Stretch:
        """The next spots behind `spot`: some hundreds if `few`, else some thousands."""
        ...

    async def versions(self, query: CollectionQuery, ids: Sequence[str]) -> Mapping[str, Version]:
        """Records among `ids` as the grant sees them now; the others are left out."""
        ...

    async def newest(self, districts: Set[str]) -> Mapping[str, tuple[int, datetime | None]]:
        """By district, the newest revision and when its last bulk ends or ended."""
        ...
