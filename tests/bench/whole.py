"""The product whole: a district's first load, its files again, and single changes all the way.

Everything is seen from outside: files are posted and changes are sent as a SIS does it, and read
as a vendor does it (OneRoster pages since a watermark) and by SCIM from the directory itself. With
Kafka between the services where there is one. One round: each row begins where the last one ended.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from homeroom.demo.archive import count_rows, write_archive
from homeroom.demo.district import District, school_year_of
from homeroom.installation import SOURCE
from homeroom.services import ROSTER_PUBLISHER, SERVICES
from tests.bench.files import renamed, shuffled
from tests.bench.installed import Installed, installed
from tests.bench.measuring import Bench, Figures, Lineup, Stalled, percentile
from tests.bench.outsiders import Directory, Sender, Vendor, now_text, renaming
from tests.bench.resident import watching

ROSTER = ("orgs", "users", "classes", "enrollments")
SEED = 20_260
STUDENTS, STUDENTS_QUICK = 15_000, 500
CHANGES_PER_S, DIRECTORY_CHANGES_PER_S = 200, 5
LOAD_WITHIN_S = 420.0
ARRIVE_WITHIN_S = 30.0
LOAD_LOOK_S, LOOK_S, POLL_S = 0.5, 0.1, 0.005
AHEAD_S = 0.2
SMALL_PAGE, STREAM_LIMIT = 100, 50_000


@asynccontextmanager
async def whole(bench: Bench) -> AsyncIterator[Lineup]:
    """One installation, used by the rows one after the other."""
    students = STUDENTS_QUICK if bench.plan.quick else STUDENTS
    async with installed(bench) as home:
        story = _Story(home=home, students=students, seconds=bench.plan.latency_s)
        try:
            yield Lineup(
                samples=(
                    story.first_load,
                    story.unchanged,
                    story.one_percent,
                    story.visible,
                    story.in_the_directory,
                    story.streaming,
                ),
                warm_up=(),
                rounds=1,
                sample_timeout_s=LOAD_WITHIN_S,
            )
        finally:
            story.vendor.close()
            story.directory.close()


@dataclass(slots=True, kw_only=True)
class _Story:
    """The rows in their order."""

    home: Installed
    students: int
    seconds: float
    vendor: Vendor = field(init=False)
    directory: Directory = field(init=False)

    def __post_init__(self) -> None:
        self.vendor = Vendor(home=self.home)
        self.directory = Directory(home=self.home)

    @property
    def file(self) -> Path:
        return self.home.folder / "district.zip"

    async def first_load(self) -> Figures:
        """From the first byte of the zip to the last row, and the last account, outside."""
        year = school_year_of(datetime.now(UTC).date())
        district = District(students=self.students, seed=SEED, school_year=year)
        await asyncio.to_thread(write_archive, district, self.file)
        expected = count_rows(self.file)
        async with watching(self._pids()) as memory:
            began = perf_counter()
            read = asyncio.create_task(self._post(self.file, began))
            # One after the other and seldom: each look counts a collection anew, and costs that.
            for name in ROSTER:
                while await self.vendor.total((name,)) < expected[name]:
                    await _pause(LOAD_LOOK_S, "rows of a first load", began, LOAD_WITHIN_S)
            visible_s = perf_counter() - began
            read_s = await read
            while await self.directory.accounts() < expected["users"]:
                await _pause(1.0, "accounts of a first load", began, LOAD_WITHIN_S)
            accounts_s = perf_counter() - began
        return {
            "whole.firstload.read": read_s,
            "whole.firstload.visible": visible_s,
            "whole.firstload.accounts": accounts_s,
            "whole.firstload.memory": max(memory.growth_mb(name) for name in memory.idle),
        }

    async def unchanged(self) -> Figures:
        """The same rows shuffled and zipped anew."""
        again = self.home.folder / "again.zip"
        await asyncio.to_thread(shuffled, self.file, again)
        before = now_text()
        seconds = await self._post(again, perf_counter())
        if new := await self.vendor.total(ROSTER, since=before):
            raise Stalled(f"whole.unchanged: {new} rows changed by an unchanged file")
        return {"whole.unchanged": seconds}

    async def one_percent(self) -> Figures:
        """One user in a hundred with another name: those are new to vendors, and nothing else."""
        changed = self.home.folder / "changed.zip"
        count = await asyncio.to_thread(renamed, self.file, changed, share=0.01, mark="Renamed")
        before, began = now_text(), perf_counter()
        seconds = await self._post(changed, began)
        while await self.vendor.total(ROSTER, since=before) < count:
            await _pause(LOOK_S, "rows of a changed file", began, LOAD_WITHIN_S)
        surplus = await self.vendor.total(ROSTER, since=before) - count
        return {"whole.changed": seconds, "whole.changed.surplus": surplus}

    async def visible(self) -> Figures:
        """200 changes a second, each timed from when it was due to when a vendor's page has it."""
        users = await self._students(int(CHANGES_PER_S * self.seconds))
        names = {str(user["sourcedId"]): f"V-{n}" for n, user in enumerate(users)}
        asked = [renaming(user, f"V-{n}", number=n) for n, user in enumerate(users)]
        watermark, began = now_text(), perf_counter() + AHEAD_S
        due = {person: began + n / CHANGES_PER_S for n, person in enumerate(names)}
        sending = asyncio.create_task(
            Sender(home=self.home).send(asked, began=began, per_s=CHANGES_PER_S)
        )
        seen: dict[str, float] = {}
        while len(seen) < len(names):
            page = await self.vendor.page(
                f"users?limit=5000&filter=dateLastModified%3E%27{watermark}%27"
            )
            moment = perf_counter()
            for user in page["users"]:
                watermark = max(watermark, user["dateLastModified"])
                if names.get(user["sourcedId"]) == user["familyName"]:
                    seen.setdefault(user["sourcedId"], moment)
            await _pause(POLL_S, "changes to the roster", began, self.seconds + ARRIVE_WITHIN_S)
        await sending
        waits = [(seen[person] - due[person]) * 1000 for person in names]
        return {f"whole.visible.p{percent}": percentile(waits, percent) for percent in (50, 99)}

    async def in_the_directory(self) -> Figures:
        """A few changes a second, each timed until the directory itself shows it."""
        users = await self._students(int(DIRECTORY_CHANGES_PER_S * self.seconds))
        accounts = [await self.directory.account_of(str(user["sourcedId"])) for user in users]
        asked = [renaming(user, f"D-{n}", number=n) for n, user in enumerate(users)]
        began = perf_counter() + AHEAD_S
        sending = asyncio.create_task(
            Sender(home=self.home).send(asked, began=began, per_s=DIRECTORY_CHANGES_PER_S)
        )
        waits = []
        for number, account in enumerate(accounts):
            due = began + number / DIRECTORY_CHANGES_PER_S
            await asyncio.sleep(max(0.0, due - perf_counter()))
            while await self.directory.family_name(account) != f"D-{number}":
                await _pause(POLL_S, "changes to the directory", due, ARRIVE_WITHIN_S)
            waits.append((perf_counter() - due) * 1000)
        await sending
        return {f"whole.directory.p{percent}": percentile(waits, percent) for percent in (50, 99)}

    async def streaming(self) -> Figures:
        """What a fresh publisher's peak grows by from a small page to all enrolments at once.

        Fresh, because the heap of one that has lived through a load has room for all of it.
        """
        total = await self.vendor.total(("enrollments",))
        await self.home.begin_anew(ROSTER_PUBLISHER)
        await self.vendor.drain(f"enrollments?limit={SMALL_PAGE}")
        async with watching(self._pids()) as memory:
            for offset in range(0, total, STREAM_LIMIT):
                await self.vendor.drain(f"enrollments?limit={STREAM_LIMIT}&offset={offset}")
        return {"whole.streaming.memory": memory.growth_mb(ROSTER_PUBLISHER.name)}

    async def _post(self, file: Path, began: float) -> float:
        """Post a file; seconds from `began` until its run has completed."""
        run = await asyncio.to_thread(
            self.home.operator.upload, SOURCE, file, on_bytes=lambda _sent: None
        )
        while True:
            report = await asyncio.to_thread(self.home.operator.run, str(run["runId"]))
            if report["state"] == "completed":
                return perf_counter() - began
            if report["state"] in {"refused", "failed"}:
                raise Stalled(f"a snapshot run ended as {report['state']}")
            await _pause(LOOK_S, "the end of a snapshot run", began, LOAD_WITHIN_S)

    async def _students(self, count: int) -> list[dict[str, Any]]:
        users: list[dict[str, Any]] = (await self.vendor.page(f"students?limit={count}"))["users"]
        if len(users) < min(count, self.students):
            raise Stalled(f"only {len(users)} students where {count} were asked for")
        return users

    def _pids(self) -> dict[str, int]:
        children, ours = self.home.children(), {service.name for service in SERVICES}
        return {name: pid for name, pid in children.items() if name in ours}


async def _pause(seconds: float, what: str, began: float, within_s: float) -> None:
    """Wait a little for `what`, but not longer than `within_s` after `began`."""
    if perf_counter() - began > within_s:
        raise Stalled(f"{what} did not come within {within_s:.0f} s")
    await asyncio.sleep(seconds)
