"""How much of each collection a vendor sees now. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass

from roster_publisher.domain.access import Grant
from roster_publisher.domain.collections import COLLECTIONS
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.v1p1 import v1p1_scopes
from roster_publisher.ports.reading import RosterReads


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Rows by path of a collection at one revision, tombstones included, as the vendor's own
    `X-Total-Count` says; None where no token scope opens it.
    """

    revision: int
    rows: Mapping[str, int | None]


class PreviewVendor:
    """Counts by the statements that count for vendors."""

    def __init__(self, reads: RosterReads) -> None:
        self._reads = reads

    async def __call__(self, grant: Grant) -> Preview:
        """The core collections of a grant, all at the newest revision."""
        _, revision = await self._reads.revisions(grant.district_id)
        rows: dict[str, int | None] = {}
        for path, collection in COLLECTIONS.items():
            opens = collection.scopes | v1p1_scopes(collection)
            query = CollectionQuery(grant=grant, collection=collection)
            seen = bool(grant.token_scopes & opens)
            rows[path] = await self._reads.total(query, revision=revision) if seen else None
        return Preview(revision=revision, rows=rows)
