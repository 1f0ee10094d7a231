"""Collect what a district left in a drop: each finished file once, as any other snapshot."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from sis_ingest.domain.drops import DropRules, Listed, Parcel, Taken, is_finished, parcels
from sis_ingest.ports import Clock, Ids
from sis_ingest.ports.drops import AlreadyTaken, Drop, DropFailed, DropFault, OpenDrop, Packer
from sis_ingest.ports.files import TooLarge
from sis_ingest.ports.sources import Source
from sis_ingest.ports.units import Units
from sis_ingest.usecases.accept_snapshot import EARLIEST, AcceptSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found. `seen` is for the next one; `fault` is about single files."""

    seen: Mapping[str, Listed]
    taken: int = 0
    waiting: int = 0
    fault: DropFault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectDrop:
    """Looks at one drop of one source."""

    units: Units
    accept: AcceptSnapshot
    pack: Packer
    clock: Clock
    ids: Ids

    async def __call__(
        self, source: Source, drop: Drop, rules: DropRules, before: Mapping[str, Listed]
    ) -> Look:
        """Takes what is finished and not taken yet; `before` is what the last look saw.

        Commits once per snapshot. May run twice: a file is remembered with its run. Nothing is
        deleted; what was taken is moved where the drop says so. Raises `DropFailed`, or
        `Retriable` when the store is away.
        """
        async with drop.open() as folder:
            here = {file.name: file for file in await folder.listed()}
            found = parcels(here.values(), rules)
            known = await self._known(source, found)
            look = Look(seen=here)
            for parcel in found:
                try:
                    if not parcel.new(known):
                        await _put_aside(folder, parcel)
                    elif is_finished(parcel, here, before, rules) and not parcel.may_grow(
                        known, now=self.clock.now()
                    ):
                        await self._take(source, folder, parcel, known)
                        look = replace(look, taken=look.taken + 1)
                        await _put_aside(folder, parcel)
                    else:
                        look = replace(look, waiting=look.waiting + 1)
                except AlreadyTaken:
                    continue
                except DropFailed as error:
                    look = _told(look, error)
        return look

    async def _known(self, source: Source, found: Sequence[Parcel]) -> Mapping[str, Taken]:
        names = [file.name for parcel in found for file in parcel.files]
        if not names:
            return {}
        async with self.units.begin("collect") as unit:
            return await unit.taken.known(source.place, names)

    async def _take(
        self, source: Source, folder: OpenDrop, parcel: Parcel, known: Mapping[str, Taken]
    ) -> None:
        """The file speaks of when it was written, whatever passed since."""
        if parcel.size_bytes > self.accept.limit_bytes:
            raise DropFailed("too_large")
        as_of = min(self.clock.now(), max(EARLIEST, parcel.as_of(known)))
        async with aclosing(self._bytes(folder, parcel)) as pieces:
            try:
                await self.accept(
                    source,
                    pieces,
                    correlation_id=self.ids.new_id(),
                    as_of=as_of,
                    taken=parcel.taken(known, as_of),
                    unchanged=parcel.unchanged(known),
                )
            except TooLarge:
                raise DropFailed("too_large") from None

    async def _bytes(self, folder: OpenDrop, parcel: Parcel) -> AsyncGenerator[bytes, None]:
        if parcel.packed is None:
            pieces = folder.read(parcel.files[0])
        else:
            pieces = self.pack({name: folder.read(file) for name, file in parcel.packed.items()})
        async for piece in pieces:
            yield piece


def _told(look: Look, error: DropFailed) -> Look:
    """A fault of one file keeps no other one waiting; any other fault ends the look."""
    match error.code:
        case "changed_while_read":
            return replace(look, waiting=look.waiting + 1)
        case "too_large" | "not_allowed":
            return replace(look, waiting=look.waiting + 1, fault=error.code)
        case "not_moved":
            return replace(look, fault=error.code)
        case _:
            raise error


async def _put_aside(folder: OpenDrop, parcel: Parcel) -> None:
    for file in parcel.files if folder.moves else ():
        await folder.put_aside(file)
