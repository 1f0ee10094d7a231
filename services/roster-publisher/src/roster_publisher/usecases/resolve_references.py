"""Find out what a package holds of what its records point at, with bounded memory. Reads only.

Source: ADR 0027.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from roster_publisher.domain.access import Grant
from roster_publisher.domain.collections import COLLECTIONS
from roster_publisher.domain.package_references import take_out, told_references
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.records import PUBLISH_ORDER, Entity, Key
from roster_publisher.domain.views import Body
from roster_publisher.ports.packing import PackageReads, Standing

# Answers kept: schools and classes are asked about again and again.
_KEPT: Final = 50_000
_WHOLE: Final = {one.entity: one for one in COLLECTIONS.values() if one.subset is None}


class ResolveReferences:
    """References of one package: a grant's view at a revision."""

    def __init__(self, reads: PackageReads, grant: Grant, revision: int) -> None:
        self._reads = reads
        self._grant = grant
        self._revision = revision
        self._known: dict[Key, bool] = {}

    async def __call__(self, entity: Entity, bodies: Sequence[Body]) -> Sequence[bool]:
        """For each body whether the package holds it; what it does not hold is taken out of it."""
        if len(self._known) > _KEPT:
            self._known.clear()
        told = [told_references(entity, body) for body in bodies]
        await self._learn({one.target for references in told for one in references})
        is_there = self._known.__getitem__
        return [
            take_out(entity, body, references, is_there)
            for body, references in zip(bodies, told, strict=True)
        ]

    async def _learn(self, keys: Iterable[Key]) -> None:
        asked: dict[Entity, list[str]] = {}
        for key in keys:
            if key not in self._known:
                asked.setdefault(key.entity, []).append(key.sourced_id)
        # A class stands on what comes before it in this order, and nothing asked for on a class.
        for entity in PUBLISH_ORDER:
            if entity in asked:
                await self._ask(entity, asked[entity])

    async def _ask(self, entity: Entity, ids: Sequence[str]) -> None:
        query = CollectionQuery(grant=self._grant, collection=_WHOLE[entity])
        found = await self._reads.standing(query, ids, revision=self._revision)
        if entity == "class":
            await self._learn({key for one in found for key in _below(one)})
            found = [one for one in found if self._holds(one)]
        there = {one.sourced_id for one in found}
        self._known |= {Key(entity, sourced_id): sourced_id in there for sourced_id in ids}

    def _holds(self, one: Standing) -> bool:
        terms = [self._known[key] for key in _below(one) if key.entity == "academicSession"]
        rest = [self._known[key] for key in _below(one) if key.entity != "academicSession"]
        return all(rest) and any(terms)


def _below(one: Standing) -> Sequence[Key]:
    """What a class is of."""
    return [
        Key("course", one.course_id or ""),
        Key("org", one.school_id or ""),
        *(Key("academicSession", term) for term in one.term_ids),
    ]
