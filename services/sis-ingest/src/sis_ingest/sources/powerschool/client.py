"""Reads PowerSchool: everything school by school, or what a data version says has changed."""

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sis_ingest.domain.pulls import COUNT_DISAGREES, Page
from sis_ingest.ports.pulls import (
    ACCESS_REFUSED,
    MARK_UNKNOWN,
    ODD,
    Access,
    Begun,
    Calls,
    Finding,
    Item,
    SinceRefused,
    SourceAway,
    SourceRefused,
)
from sis_ingest.sources.powerschool.lookups import Lookups
from sis_ingest.sources.powerschool.normalise import GONE, gone
from sis_ingest.sources.powerschool.rest import BASE, Rest
from sis_ingest.sources.powerschool.subscription import Subscription

# Our sections and the resource each is read from.
RESOURCES: Final[Mapping[str, str]] = {
    "schools": "school",
    "terms": "term",
    "courses": "course",
    "staff": "staff",
    "sections": "section",
    "students": "student",
    "section_enrollments": "section_enrollment",
}
# Tables of the database, as a data version names them.
_TABLES: Final[Mapping[str, str]] = {
    "SCHOOLS": "schools",
    "TERMS": "terms",
    "COURSES": "courses",
    "SCHOOLSTAFF": "staff",
    "SECTIONS": "sections",
    "STUDENTS": "students",
    "CC": "section_enrollments",
}
_DELTA_ITEMS: Final = 50
_SEAT: Final = "section_enrollment"
_SEAT_SECTIONS: Final = 10
_DEFAULT_APPLICATION: Final = "homeroom"
# How often one record may fail before it is left out; pulls give up later (`domain.pulls`).
_MAX_FAILURES: Final = 5
UNREADABLE_RECORD: Final = "unreadable_record"


class PowerSchoolClient:
    """`ports.pulls.PullClient`."""

    def __init__(self, access: Access, calls: Calls) -> None:
        self._rest = Rest(calls, most=access.page_size)
        self._lookups = Lookups(self._rest)
        self._application = access.options.get("application", _DEFAULT_APPLICATION)
        self._subscription = Subscription(self._rest, access)
        self._counts: dict[str, Mapping[str, int]] = {}
        self._failed: Counter[tuple[str, str]] = Counter()
        self._sections: Mapping[str, Any] | None = None
        self._changes: Mapping[str, Sequence[str]] | None = None

    async def begin(self, since: str | None, now: datetime) -> Begun:
        """See the port. The mark is PowerSchool's own data version."""
        del now
        self._lookups.forget()
        self._counts.clear()
        self._sections = None
        await self._rest.metadata()
        version, changed = await self._changed(since or "0")
        if since is None:
            sections: dict[str, str | None] = {"district": None, **dict.fromkeys(RESOURCES)}
            return Begun(mark=version, sections=sections)
        self._changes = changed
        return Begun(mark=version, sections={name: None for name, ids in changed.items() if ids})

    async def page(self, section: str, cursor: str | None, since: str | None) -> Page:
        """See the port. Cursors: `school:page`, a section's DCID, or the last DCID read."""
        if since is not None:
            return await self._delta_page(section, cursor, since)
        if section == "district":
            found = (await self._rest.get(f"{BASE}/district")).get("district")
            return Page(items=(found,) if isinstance(found, dict) else (), next_cursor=None)
        if section == "schools":
            schools = await self._lookups.schools()
            return Page(items=tuple(schools), next_cursor=None, fault=self._lost_school())
        if section == "section_enrollments":
            return await self._seats_page(cursor)
        return await self._school_page(section, cursor)

    async def one(self, section: str, item_id: str) -> Item | None:
        """See the port."""
        item = await self._record(section, item_id)
        try:
            return None if item is None else await self._lookups.complete(section, item)
        except ODD as error:
            raise SourceRefused(UNREADABLE_RECORD, field=section) from error

    async def _record(self, section: str, item_id: str) -> Item | None:
        """The record. One that fails again and again while the rest answers is refused, loudly.

        It is gone only if the rest answers: while a server starts, everything is 404.
        """
        try:
            item = await self._rest.one(RESOURCES[section], item_id)
        except SourceAway as away:
            if not _of_the_record(away):
                raise
            if not await self._answers():
                raise
            self._failed[section, item_id] += 1
            if self._failed[section, item_id] < _MAX_FAILURES:
                raise
            self._failed.pop((section, item_id), None)
            raise SourceRefused(UNREADABLE_RECORD, field=section) from away
        self._failed.pop((section, item_id), None)
        if item is None and not await self._answers():
            raise SourceAway("status_404")
        return item

    async def _answers(self) -> bool:
        """Whether the interface itself is there and lets us in. Raises `SourceAway`."""
        try:
            await self._rest.metadata()
        except SourceRefused:
            return False
        return True

    async def examine(self) -> Sequence[Finding]:
        """See the port."""
        metadata = await self._rest.metadata()
        findings = [
            Finding(what="sign-in", ok=True, detail=f"zone {metadata.get('district_timezone')}")
        ]
        for resource in RESOURCES.values():
            size = await self._rest.page_size(resource)
            findings.append(Finding(what=resource, ok=size > 0, detail=f"pages of {size}"))
        findings.append(await self._examine_versions())
        return [*findings, *await self._subscription.examine()]

    async def repair(self) -> Sequence[Finding]:
        """See the port: sets the event subscription up anew."""
        return await self._subscription.repair()

    async def _examine_versions(self) -> Finding:
        try:
            version, _ = await self._changed("0")
        except (SourceAway, SourceRefused) as error:
            return Finding(what="data versions", ok=False, detail=error.reason)
        if version is None:
            detail = f"no subscription named {self._application}: every pull is a full one"
            return Finding(what="data versions", ok=False, detail=detail)
        return Finding(what="data versions", ok=True, detail=f"at {version}")

    async def _changed(self, version: str) -> tuple[str | None, Mapping[str, list[str]]]:
        """(the version now, DCIDs by section); no version where the plugin has no subscription."""
        try:
            body = await self._rest.get(f"/ws/dataversion/{self._application}/{version}")
        except SourceRefused as error:
            if version == "0":
                return None, {}
            raise SinceRefused(MARK_UNKNOWN, field=error.field) from error
        now = str(body.get("$dataversion"))
        if not (now.isascii() and now.isdigit()):
            raise SourceAway("unreadable_answer")
        found: dict[str, set[str]] = {name: set() for name in RESOURCES}
        for table, number in _rows(body.get("tables")):
            section = _TABLES.get(table.upper())
            if section is None:
                continue
            if not number.isascii() or not number.isdigit():
                raise SourceAway("unreadable_answer")
            found[section].add(number)
        return now, {k: sorted(v, key=int) for k, v in found.items()}

    async def _delta_page(self, section: str, cursor: str | None, since: str) -> Page:
        """Items after the cursor's. After a restart the source is asked again what has changed.

        That is more rather than less, and a section that is not at its end has something left.
        """
        if self._changes is None:
            _, self._changes = await self._changed(since)
        ids = self._changes[section]
        place = bisect_right(ids, int(cursor), key=int) if cursor else 0
        now, more = ids[place : place + _DELTA_ITEMS], len(ids) > place + _DELTA_ITEMS
        if not now:
            raise SourceAway("unreadable_answer")
        # Side by side, as many at once as the source may be asked; none is left running.
        reading = (self.one(section, number) for number in now)
        found = await asyncio.gather(*reading, return_exceptions=True)
        items: dict[object, Item] = {}
        fault = None
        for number, there in zip(now, found, strict=True):
            if isinstance(there, SourceRefused) and there.reason not in ACCESS_REFUSED:
                fault = UNREADABLE_RECORD
                continue
            if isinstance(there, BaseException):
                raise there
            item = there or gone(section, number)
            # A person with posts at several schools comes once for each.
            items[str(item.get("users_dcid") or "") or (number, GONE in item)] = item
        return Page(items=tuple(items.values()), next_cursor=now[-1] if more else None, fault=fault)

    async def _school_page(self, section: str, cursor: str | None) -> Page:
        schools = [str(school["id"]) for school in await self._lookups.schools()]
        if not schools:
            return Page(items=(), next_cursor=None)
        school, number = _place(cursor) or (schools[0], 1)
        resource = RESOURCES[section]
        found = await self._rest.page(resource, f"school/{school}/{resource}", number)
        counts = await self._counted(section, schools)
        size = await self._rest.page_size(resource)
        # A page beyond the count, but no more: one that heeds no page number never ends.
        full = len(found) >= size and (number - 1) * size <= counts.get(school, 0)
        after = [one for one in schools if int(one) > int(school)]
        following = f"{school}:{number + 1}" if full else (f"{after[0]}:1" if after else None)
        items = [await self._lookups.complete(section, item, school=int(school)) for item in found]
        return Page(
            items=tuple(items),
            next_cursor=following,
            total=sum(counts.values()),
            fault=self._lost_school(),
        )

    def _lost_school(self) -> str | None:
        """Why nothing read school by school is whole: what a lost school has would look gone."""
        return None if self._lookups.all_schools else COUNT_DISAGREES

    async def _counted(self, section: str, schools: Sequence[str]) -> Mapping[str, int]:
        """How many items each school has, asked once in a pull."""
        if section not in self._counts:
            path = RESOURCES[section]
            self._counts[section] = {
                one: await self._rest.count(f"school/{one}/{path}") for one in schools
            }
        return self._counts[section]

    async def _seats_page(self, cursor: str | None) -> Page:
        if self._sections is None:
            self._sections = await self._lookups.section_ids()
        schools = [str(school["id"]) for school in await self._lookups.schools()]
        counted = sum((await self._counted("sections", schools)).values())
        agrees = self._lookups.all_schools and len(self._sections) == counted
        ids = sorted((one for one in self._sections if int(one) >= int(cursor or 0)), key=int)
        now, later = ids[:_SEAT_SECTIONS], ids[_SEAT_SECTIONS:]
        items: list[Item] = []
        for section in now:
            path = f"section/{section}/section_enrollment"
            school = {"$school": self._sections[section]}
            seats = [{**seat, **school} async for seat in self._rest.every(_SEAT, path)]
            agrees = agrees and len(seats) == await self._rest.count(path)
            items += seats
        return Page(
            items=tuple(items),
            next_cursor=later[0] if later else None,
            fault=None if agrees else COUNT_DISAGREES,
        )


def _of_the_record(away: SourceAway) -> bool:
    """Whether the source did answer, and badly: no throttle, time-out or breaker of ours."""
    return away.reason.startswith("status_") or away.reason in ("unreadable_answer", "too_large")


def _place(cursor: str | None) -> tuple[str, int] | None:
    if cursor is None:
        return None
    school, _, number = cursor.partition(":")
    return school, int(number)


def _rows(tables: Any) -> Iterator[tuple[str, str]]:
    """(table, DCID) in whatever shape they stand: the public page shows none in full."""
    if isinstance(tables, list):
        for one in tables:
            yield from _rows(one)
    elif isinstance(tables, dict):
        if "table_name" in tables:
            yield str(tables["table_name"]), str(tables.get("id"))
            return
        for table, rows in tables.items():
            for row in rows if isinstance(rows, list) else [rows]:
                yield table, str(row.get("id") if isinstance(row, dict) else row)
