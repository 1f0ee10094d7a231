"""What vendors' reads need: pages of a revision, and where open pulls stand."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from roster_common.errors import Invalid, Retriable
from roster_publisher.domain.access import Grant
from roster_publisher.domain.queries import CollectionQuery, Page, Pull
from roster_publisher.domain.sorting import Place
from roster_publisher.domain.views import Stay


class QueryTooLong(Invalid):
    """What was asked has no index and took longer than it may; asking again will not help."""

    def __init__(self, *, within_s: float) -> None:
        super().__init__("query_too_long")
        self.within_s = within_s


class ReadsBusy(Retriable):
    """As many reads were under way as there may be, for as long as one waits for its turn."""


class RosterReads(Protocol):
    """Reads for vendors. Bodies are JSON in UTF-8 whose `href`s start with the host mark.

    Pages, places and totals raise `QueryTooLong` for a query on fields without an index. Everything
    raises `ReadsBusy` when no turn came free in time.
    """

    async def current_page(self, query: CollectionQuery, *, limit: int) -> Page | None:
        """The first page of the newest revision, which it names.

        None when a parent of the query is out of the grant's sight.
        """
        ...

    async def page_at(
        self, query: CollectionQuery, *, revision: int, after: Place | None, limit: int
    ) -> Page:
        """`limit` rows of `revision` behind `after`; None is before all."""
        ...

    async def place_at(
        self, query: CollectionQuery, *, revision: int, after: Place | None, skip: int
    ) -> Place | None:
        """The place of the `skip`th row behind `after` at `revision`, or None past the end."""
        ...

    async def total(self, query: CollectionQuery, *, revision: int) -> int | None:
        """Rows of the query at `revision`; None when a parent was out of the grant's sight."""
        ...

    async def single(
        self, query: CollectionQuery, sourced_id: str, *, revision: int | None = None
    ) -> bytes | None:
        """One object of `revision`, else of the newest; None where the grant sees none."""
        ...

    async def revisions(self, district_id: str) -> tuple[int, int]:
        """(oldest revision still whole, newest revision)."""
        ...

    async def stays(self, grant: Grant, ids: Iterable[str]) -> Mapping[str, Sequence[Stay]]:
        """When users among `ids` were in a grant's scopes; the others are left out."""
        ...


class Pulls(Protocol):
    """Which pull is open, for every process of the service and over restarts."""

    async def load(
        self, district_id: str, client_id: str, query_hash: bytes, *, now: datetime
    ) -> Pull | None:
        """The pull, if it is alive."""
        ...

    async def save(self, district_id: str, client_id: str, query_hash: bytes, pull: Pull) -> None:
        """Open it in the place of the one before; others see it when this returns."""
        ...
