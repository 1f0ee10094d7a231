"""Shapes stored bodies for a vendor: whole addresses, nothing out of the grant's scope, and every
field as agreed, for as long as the agreement lasts.

The one pipeline for pages, single reads and the change feed. Reads only.
"""

from collections.abc import Callable, Sequence
from typing import Final

import orjson

from roster_publisher.domain.access import AgreementEnded
from roster_publisher.domain.fragments import HOST_MARK
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.transforms import transform, transforms_of
from roster_publisher.domain.views import Body, agents_of, is_narrow, narrow, select
from roster_publisher.ports import Clock
from roster_publisher.ports.reading import RosterReads

_MARK: Final = HOST_MARK.encode()


class ShapeBodies:
    """Bodies are UTF-8 JSON as `RosterReads` gives them; `base` is the address of the reads.

    `hash_key` is the installation's, needed by grants that hash. Raises `AgreementEnded` once the
    grant's agreement has, also for what was asked before.
    """

    def __init__(
        self,
        reads: RosterReads,
        wording: Callable[[Body, str], Body] | None = None,
        *,
        clock: Clock,
        hash_key: bytes | None,
    ) -> None:
        """`wording` turns what is seen of a body, with its entity, into that of another version."""
        self._reads = reads
        self._wording = wording
        self._clock = clock
        self._hash_key = hash_key

    async def __call__(
        self, body: bytes, query: CollectionQuery, *, base: str, fields: frozenset[str] | None
    ) -> bytes:
        """Objects joined by commas as the query's grant sees them, with only `fields` if given."""
        self._ensure_in_force(query)
        if self._wording is None and fields is None and _goes_as_it_is(body, query):
            return body.replace(_MARK, base.encode())
        return b",".join(await self._each(body, query, base=base, fields=fields))

    async def each(
        self, bodies: Sequence[bytes], query: CollectionQuery, *, base: str
    ) -> Sequence[bytes]:
        """The same, body by body."""
        self._ensure_in_force(query)
        if self._wording is None and all(_goes_as_it_is(body, query) for body in bodies):
            return [body.replace(_MARK, base.encode()) for body in bodies]
        return await self._each(b",".join(bodies), query, base=base, fields=None)

    async def _each(
        self, body: bytes, query: CollectionQuery, *, base: str, fields: frozenset[str] | None
    ) -> Sequence[bytes]:
        objects = orjson.loads(b"[%b]" % body.replace(_MARK, base.encode()))
        if query.is_scoped:
            grant, agents = query.grant, agents_of(objects)
            stays = await self._reads.stays(grant, agents) if agents else {}
            objects = narrow(objects, visible_orgs=grant.visible_orgs, stays=stays)
        entity = query.collection.entity
        objects = transform(objects, query.grant, entity, hash_key=self._hash_key)
        if self._wording is not None:
            objects = [self._wording(one, entity) for one in objects]
        if fields is not None:
            objects = select(objects, fields)
        return [orjson.dumps(one) for one in objects]

    def _ensure_in_force(self, query: CollectionQuery) -> None:
        if not query.grant.is_in_force(self._clock.now()):
            raise AgreementEnded


def _goes_as_it_is(body: bytes, query: CollectionQuery) -> bool:
    if transforms_of(query.grant, query.collection.entity):
        return False
    return not query.is_scoped or is_narrow(body, query.grant.visible_orgs)
