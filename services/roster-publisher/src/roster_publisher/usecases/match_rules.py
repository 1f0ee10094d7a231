"""Work out which rules what is about to be published matches by itself.

Reads inside the publishing transaction, under the district's lock, and writes nothing. A district
without rules costs nothing. Source: ADR 0024.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from roster_publisher.domain.publication import Draft, Settled, scope_ids
from roster_publisher.domain.records import Key, ref_id
from roster_publisher.domain.rules import (
    NOTHING,
    RuleIndex,
    Taught,
    grades_of,
    student_places,
    taught,
)
from roster_publisher.ports.publishing import DistrictState, Rematched, RosterUnit

_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Rules by record, and the classes that a course takes along without being written.

    `rematched` is None where the district has no rules.
    """

    rules: Mapping[Key, frozenset[str]] = field(default_factory=dict)
    rematched: Sequence[Rematched] | None = None


class MatchRules:
    """Keeps each district's rules in an index until they are others."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, RuleIndex]] = {}

    async def __call__(
        self, unit: RosterUnit, district_id: str, district: DistrictState, settled: Settled
    ) -> Matches:
        """What the drafts to be shown match; `district` is as it was locked."""
        index = await self._index(unit, district_id, district.rules_version)
        if not index:
            return Matches()
        courses = await _courses(unit, district_id, settled.publish)
        return Matches(
            rules={
                draft.key: _matched(index, draft, settled.shown, courses)
                for draft in settled.publish
            },
            rematched=await _rematched(unit, district_id, index, settled.publish),
        )

    async def _index(self, unit: RosterUnit, district_id: str, version: int) -> RuleIndex:
        kept = self._kept.get(district_id)
        if kept is None or kept[0] != version:
            rules = await unit.rules(district_id) if version else ()
            kept = self._kept[district_id] = (version, RuleIndex(rules))
        return kept[1]


def _matched(
    index: RuleIndex, draft: Draft, shown: frozenset[Key], courses: Mapping[str, Taught]
) -> frozenset[str]:
    record = draft.record
    match draft.key.entity:
        case "org":
            return index.of_org(draft.key.sourced_id)
        case "class":
            course = ref_id(record, "course") or ""
            return index.of_class(
                school=ref_id(record, "school") or "",
                course=course,
                taught=taught(record).over(courses.get(course, NOTHING)),
            )
        case "user":
            return index.of_student(
                schools=student_places(record, scope_ids(draft, shown)), grades=grades_of(record)
            )
        case _:
            return _NONE


async def _courses(
    unit: RosterUnit, district_id: str, drafts: Sequence[Draft]
) -> Mapping[str, Taught]:
    """What the courses of the classes among `drafts` say, as they are from this commit on."""
    said = {d.key.sourced_id: taught(d.record) for d in drafts if d.key.entity == "course"}
    silent = {
        ref_id(draft.record, "course") or ""
        for draft in drafts
        if draft.key.entity == "class" and not _says_all(taught(draft.record))
    } - said.keys()
    return {**await unit.taught_courses(district_id, silent), **said} if silent else said


async def _rematched(
    unit: RosterUnit, district_id: str, index: RuleIndex, drafts: Sequence[Draft]
) -> Sequence[Rematched]:
    """Classes of courses among `drafts` that match other rules than before."""
    written = {draft.key.sourced_id for draft in drafts if draft.key.entity == "class"}
    courses = {draft.key.sourced_id: draft for draft in drafts if draft.key.entity == "course"}
    if not courses:
        return ()
    found = []
    for one in await unit.classes_of(district_id, courses.keys()):
        course = courses[one.course_id]
        rule_ids = index.of_class(
            school=one.school_id,
            course=one.course_id,
            taught=one.taught.over(taught(course.record)),
        )
        if one.class_id not in written and rule_ids != one.rule_ids:
            found.append(
                Rematched(
                    class_id=one.class_id,
                    course_id=one.course_id,
                    rule_ids=rule_ids,
                    cause=course.cause,
                )
            )
    return found


def _says_all(said: Taught) -> bool:
    return bool(said.grades and said.subjects)
