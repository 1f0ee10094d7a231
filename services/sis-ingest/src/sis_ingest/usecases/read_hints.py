"""Read what hints lead to, a few at a time: what was read stands, whatever becomes of the rest."""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sis_ingest.domain.deliveries import Hint
from sis_ingest.ports import Clock
from sis_ingest.ports.pulls import (
    ACCESS_REFUSED,
    ODD,
    UNREADABLE,
    Item,
    PullClient,
    SourceAway,
    SourceRefused,
)

_AT_ONCE: Final = 8
# After so long nothing more is begun: what a slow source told is not to wait for the rest.
_ENOUGH: Final = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a hint led to, read at `at`; `item` None: the source has it no more."""

    hint: Hint
    item: Item | None
    at: datetime
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadHints:
    """Reads items of one source side by side."""

    clock: Clock

    async def __call__(
        self, client: PullClient, hints: Sequence[Hint], *, at_least: Collection[Hint]
    ) -> tuple[Sequence[Found], SourceAway | None]:
        """(what was read, why something was not). Nothing goes on afterwards.

        Hints in `at_least`, which come first, are read however long it takes. Where access is
        refused nothing was found out about the item: the source counts as away.
        """
        found: list[Found] = []
        aways: list[SourceAway] = []
        waiting = self._in_time(hints, at_least)

        async def work() -> None:
            # One that met a failure stops: all do when nothing can be read, soon enough.
            try:
                for hint in waiting:
                    one = await self._one(client, hint)
                    found.append(one)
            except SourceAway as away:
                aways.append(away)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(hints))):
                group.create_task(work())
        return found, aways[0] if aways else None

    def _in_time(self, hints: Sequence[Hint], at_least: Collection[Hint]) -> Iterator[Hint]:
        until = self.clock.now() + _ENOUGH
        for hint in hints:
            if hint not in at_least and self.clock.now() >= until:
                return
            yield hint

    async def _one(self, client: PullClient, hint: Hint) -> Found:
        # Before asking: what changes while the answer is made must count as later.
        at = self.clock.now()
        try:
            item = await client.one(hint.section, hint.item_id)
        except SourceRefused as refused:
            if refused.reason in ACCESS_REFUSED:
                raise SourceAway(refused.reason) from refused
            return Found(hint=hint, item=None, at=at, refusal=refused.reason)
        except ODD:
            # Of a shape nobody foresaw: it waits for a full pull, the others for nothing.
            return Found(hint=hint, item=None, at=at, refusal=UNREADABLE)
        return Found(hint=hint, item=item, at=at)
