"""What a PowerSchool record names by another number than its DCID, looked up and remembered.

Read-only facts that hardly ever change: a school's number, a course's name, whose post it is.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from sis_ingest.ports.pulls import Item
from sis_ingest.sources.powerschool.rest import Rest

_SCHOOLS: Final = "district/school"


class Lookups:
    """One per client; `forget` at the beginning of each pull."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self.forget()

    def forget(self) -> None:
        """Everything is asked anew from now on."""
        self._schools: list[Item] | None = None
        self.all_schools = True
        self._people: dict[str, Any] = {}
        self._courses: dict[str, Any] = {}
        self._sections: dict[str, Any] = {}
        self._read: set[tuple[str, Any]] = set()

    async def schools(self) -> list[Item]:
        """Every school of the district, by DCID; `all_schools`: as many as it counts."""
        if self._schools is None:
            found = [item async for item in self._rest.every("school", _SCHOOLS)]
            self.all_schools = len(found) == await self._rest.count(_SCHOOLS)
            self._schools = sorted(found, key=lambda school: int(school["id"]))
        return self._schools

    async def complete(self, section: str, item: Item, *, school: Any = None) -> Item:
        """The item with what stands beside it under names with `$`."""
        match section:
            case "students":
                at = school if school is not None else await self._school_of(item)
                return {**item, "$school": at}
            case "staff" if school is not None:
                return {**item, "$school": school}
            case "sections":
                return {
                    **item,
                    "$course_name": await self._course_name(item),
                    "$teacher": await self._teacher(item),
                }
            case "section_enrollments":
                at = school if school is not None else await self._school_of_section(item)
                return {**item, "$school": at}
            case _:
                return item

    async def section_ids(self) -> Mapping[str, Any]:
        """The school of every section, by the section's DCID."""
        found: dict[str, Any] = {}
        for school in await self.schools():
            async for section in self._rest.every("section", f"school/{school['id']}/section"):
                found[str(section["id"])] = school["id"]
        return found

    async def _school_of(self, student: Item) -> Any:
        number = (student.get("school_enrollment") or {}).get("school_number")
        if number is None:
            return None
        schools = await self.schools()
        fitting = [s["id"] for s in schools if str(s.get("school_number")) == str(number)]
        return fitting[0] if fitting else None

    async def _school_of_section(self, seat: Item) -> Any:
        if seat.get("section_id") is None:
            return None
        wanted = str(seat["section_id"])
        if wanted not in self._sections:
            section = await self._rest.one("section", wanted)
            self._sections[wanted] = None if section is None else section.get("school_id")
        return self._sections[wanted]

    async def _course_name(self, section: Item) -> Any:
        if section.get("course_id") is None:
            return None
        wanted = str(section["course_id"])
        if wanted not in self._courses:
            async for course in self._of_school("course", section):
                self._courses[str(course.get("id"))] = course.get("course_name")
        if wanted not in self._courses:
            alone = await self._rest.one("course", wanted)
            self._courses[wanted] = None if alone is None else alone.get("course_name")
        return self._courses[wanted]

    async def _teacher(self, section: Item) -> Any:
        if section.get("staff_id") is None:
            return None
        wanted = str(section["staff_id"])
        if wanted not in self._people:
            async for post in self._of_school("staff", section):
                self._people[str(post.get("id"))] = post.get("users_dcid")
        if wanted not in self._people:
            alone = await self._rest.one("staff", wanted)
            self._people[wanted] = None if alone is None else alone.get("users_dcid")
        return self._people[wanted]

    async def _of_school(self, resource: str, section: Item) -> AsyncIterator[Item]:
        """All of a school's, once: what is missing afterwards is asked for by itself."""
        school = section.get("school_id")
        if (resource, school) in self._read:
            return
        self._read.add((resource, school))
        async for item in self._rest.every(resource, f"school/{school}/{resource}"):
            yield item
