"""What the report on a vendor's copies needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from roster_publisher.domain.access import Grant
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.records import Entity, Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Since when a record is, or was, in a view, and whether it still is."""

    since: datetime
    inside: bool


class CopyReads(Protocol):
    """Reads of what stands behind a vendor's copies."""

    async def given(self, district_id: str, client_id: str) -> tuple[Grant, datetime] | None:
        """The grant of a client of the district, and when the client was made."""
        ...

    async def records_of(self, district_id: str, person_id: str) -> Sequence[Key]:
        """The user, its demographics, its enrolments, and the classes that these name; some of
        them may not be there.
        """
        ...

    async def presence(self, query: CollectionQuery, ids: Sequence[str]) -> Mapping[str, Presence]:
        """By id, since when the query's grant has records of it in view; the others are left out.

        Known for the retention of deletions after a record has left.
        """
        ...


class LastPulls(Protocol):
    """When vendors pulled."""

    async def last_pulls(self, district_id: str, client_id: str) -> Mapping[Entity, datetime]:
        """By entity, when the vendor itself was last given anything of it, by whatever door."""
        ...
