"""Authority and its flips, as use cases see them.

A port of this service like those beside it; imports the domain only.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from sis_ingest.domain.authority import Authority, Ruling
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.flips import Flip


class AuthorityTable(Protocol):
    """Which source has authority over which place."""

    async def of(self, district_id: str) -> Authority:
        """What is laid down in the district. One small statement."""
        ...

    async def lay_down(self, flip: Flip) -> None:
        """What the flip orders holds from now on. The caller has the district's lock."""
        ...

    async def unfinished(self, district_id: str) -> Flip | None:
        """The district's flip that waits for a person or is under way."""
        ...

    async def flip(self, district_id: str, flip_id: str) -> Flip | None:
        """A flip, however far it has come."""
        ...

    async def save(self, flip: Flip) -> None:
        """Keeps a flip as it stands now."""
        ...


class AuthorityDesk(Protocol):
    """Reads of authority outside any transaction of ours."""

    async def due(self, *, resting: Collection[str] = ()) -> Flip | None:
        """The oldest flip that was approved or has begun and is not done, but for `resting`."""
        ...

    async def rulings(self, district_id: str) -> Sequence[Ruling]:
        """What is laid down, by place."""
        ...

    async def schools(self, district_id: str) -> Sequence[str]:
        """Ids of the schools that others know."""
        ...

    async def silent(self, district_id: str) -> Mapping[str, Mapping[Entity, int]]:
        """By source and entity, how many records live that nobody else knows. Reads them all."""
        ...

    async def unfinished(self, district_id: str) -> Flip | None:
        """See `AuthorityTable.unfinished`."""
        ...
