"""Pull a source: read its interface page by page onto disk, then hand the whole to a run.

Each page is on disk before its cursor is kept, so a pull cut off at any moment goes on where it
was. What becomes of the pages is the business of the run: one path for files and pulls.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from sis_ingest.domain.pulls import (
    MAX_AGE,
    MAX_FAILURES,
    Pull,
    RevisionMoved,
    Section,
    after_page,
    faults,
    may_restart,
    next_mark,
    whole,
)
from sis_ingest.domain.runs import Run
from sis_ingest.ports import Clock, Ids
from sis_ingest.ports.files import SnapshotFiles
from sis_ingest.ports.pull_stores import PullFiles
from sis_ingest.ports.pulls import (
    ODD,
    Pulling,
    SinceRefused,
    SourceAway,
    SourceRefused,
)
from sis_ingest.ports.units import Units

_NO_LIMIT: Final = 2**62
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSource:
    """Carries one pull from waiting (or left running) to its end."""

    units: Units
    pages: PullFiles
    files: SnapshotFiles
    clock: Clock
    ids: Ids

    async def __call__(self, pulling: Pulling, pull: Pull) -> Pull:
        """The ended pull; its run waits for the importer. Commits per page. May run twice.

        Raises `SourceAway`: the pull stays open and is taken up again, until it failed too often
        in a row. A source that refuses ends it as failed; the next one asks again.
        """
        reading = _Reading(self.units, self.pages, pulling, pull)
        try:
            await self._read(reading)
        except SourceRefused as refused:
            return await self._end(reading.pull, reason=refused.reason)
        except SourceAway as away:
            failed = replace(reading.pull, failures=reading.pull.failures + 1, reason=away.reason)
            if failed.failures >= MAX_FAILURES:
                return await self._end(failed, reason=away.reason)
            await self._save(failed)
            raise
        return await self._hand_over(reading.pull)

    async def _read(self, reading: "_Reading") -> None:
        if reading.pull.sections and not await self._may_go_on(reading.pull):
            reading.pull = await self._from_the_beginning(reading.pull)
        while True:
            reading.pull = await self._started(reading.pulling, reading.pull)
            try:
                return await reading.all()
            except RevisionMoved:
                reading.pull = await self._from_the_beginning(reading.pull)
            except SinceRefused as refused:
                # Nothing is wrong with the mark: where this one misses something, it stays.
                full = replace(reading.pull, mode="full", full_because=refused.reason)
                reading.pull = await self._from_the_beginning(full)

    async def _started(self, pulling: Pulling, pull: Pull) -> Pull:
        if pull.sections:
            return pull
        now = self.clock.now()
        try:
            begun = await _told(pulling.client.begin(pull.asks_since, now))
        except SinceRefused as refused:
            pull = replace(pull, mode="full", since=None, full_because=refused.reason)
            begun = await _told(pulling.client.begin(None, now))
        started = replace(
            pull,
            state="running",
            started_at=now,
            mark=begun.mark,
            sections={name: Section(cursor=cursor) for name, cursor in begun.sections.items()},
        )
        await self._save(started)
        return started

    async def _may_go_on(self, pull: Pull) -> bool:
        """Raises `SourceRefused` when pages are lost again and again."""
        old = pull.started_at is not None and self.clock.now() - pull.started_at > MAX_AGE
        sizes = {name: section.size for name, section in pull.sections.items()}
        if await self.pages.hold(pull.pull_id, sizes):
            return not (old and may_restart(pull))
        if not may_restart(pull):
            raise SourceRefused("pages_lost")
        return False

    async def _from_the_beginning(self, pull: Pull) -> Pull:
        """Cursors are forgotten before their pages: one without its page leads nowhere."""
        again = replace(pull, sections={}, restarts=pull.restarts + 1)
        async with self.units.begin("pull_again") as unit:
            await unit.pulls.save(again)
        await self.pages.drop(pull.pull_id)
        return again

    async def _hand_over(self, pull: Pull) -> Pull:
        """The pages as one raw file, and in one transaction its run and the end of the pull."""
        sizes = {name: section.size for name, section in pull.sections.items()}
        manifest = {
            "mode": {name: "bulk" if whole(pull, name) else "delta" for name in pull.sections},
            "faults": dict(faults(pull)),
            "fullBecause": pull.full_because,
        }
        run_id = self.ids.new_id()
        stored = await self.files.store(
            run_id, self.pages.packed(pull.pull_id, sizes, manifest), limit_bytes=_NO_LIMIT
        )
        now = self.clock.now()
        run = Run(
            run_id=run_id,
            delivery_id=self.ids.new_id(),
            correlation_id=pull.correlation_id,
            place=pull.place,
            state="waiting",
            origin=None,
            file_name=stored.name,
            file_bytes=stored.size_bytes,
            sha256=stored.sha256,
            received_at=now,
            # What changed while we read may or may not be in it: it speaks of its beginning.
            as_of=pull.started_at or now,
            dry_run=pull.dry_run,
            pulled=True,
        )
        ended = replace(
            pull,
            state="completed",
            mark=next_mark(pull),
            finished_at=now,
            run_id=run_id,
            reason=None,
            failures=0,
        )
        async with self.units.begin("hand_over") as unit:
            await unit.deliveries.put_file(run)
            await unit.runs.add(run)
            await unit.pulls.save(ended)
        await self.pages.drop(pull.pull_id)
        return ended

    async def _end(self, pull: Pull, *, reason: str) -> Pull:
        ended = replace(pull, state="failed", finished_at=self.clock.now(), reason=reason)
        await self._save(ended)
        await self.pages.drop(pull.pull_id)
        return ended

    async def _save(self, pull: Pull) -> None:
        async with self.units.begin("run") as unit:
            await unit.pulls.save(pull)


class _Reading:
    """The sections of one pull, side by side; the pace is that of the source's `Calls`."""

    def __init__(self, units: Units, pages: PullFiles, pulling: Pulling, pull: Pull) -> None:
        self._units = units
        self._pages = pages
        self.pulling = pulling
        self.pull = pull
        self._saving = asyncio.Lock()

    async def all(self) -> None:
        """Reads every section to its end. Raises what the first failing section raised."""
        names = [name for name, section in self.pull.sections.items() if not section.done]
        reading = [asyncio.ensure_future(self._section(name)) for name in names]
        try:
            for one in asyncio.as_completed(reading):
                await one
        finally:
            # Not in the middle of a save: it would hold the pull's row, or write over the next try.
            async with self._saving:
                for one in reading:
                    one.cancel()
            await asyncio.gather(*reading, return_exceptions=True)

    async def _section(self, name: str) -> None:
        section = self.pull.sections[name]
        while not section.done:
            asked = self.pulling.client.page(name, section.cursor, self.pull.asks_since)
            page = await _told(asked)
            moved = after_page(
                section,
                page,
                size=section.size,
                again=may_restart(self.pull),
                repeating=name in self.pulling.spec.repeating,
            )
            items = page.items if moved.pages > section.pages else ()
            async with self._saving:
                size = await self._pages.append(self.pull.pull_id, name, items, at=section.size)
                section = replace(moved, size=size)
                self.pull = self.pull.with_section(name, section)
                async with self._units.begin("pull_page") as unit:
                    await unit.pulls.save(self.pull)


async def _told(asked: Awaitable[T]) -> T:
    """What a client told. Of a shape nobody foresaw, it counts as a failure of the source.

    Else the pull would stay open for ever, look well, and keep every other one out.
    """
    try:
        return await asked
    except ODD as error:
        raise SourceAway("unreadable_answer") from error
