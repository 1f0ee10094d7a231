"""What matching by rules reads in a publishing transaction: the rules, and courses and classes.

Every statement filters by district first. Nothing here commits.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import asyncpg
import orjson

from roster_publisher.domain.rules import Rule, Taught, taught
from roster_publisher.ports.publishing import TaughtClass

# Some hundreds at most; primary key.
_RULES: Final = """
    SELECT school_ids, grades, course_ids, subjects FROM roster_publisher.scope
    WHERE district_id = $1
"""

_SAYS: Final = """
    jsonb_build_object('grades', o.record -> 'grades', 'subjects', o.record -> 'subjects')::text
"""

# Courses of a batch's classes. A row per course; primary key.
_COURSES: Final = f"""
    SELECT o.sourced_id, {_SAYS} AS said FROM unnest($2::text[]) AS w(id)
    CROSS JOIN LATERAL (
        SELECT sourced_id, record FROM roster_publisher.object
        WHERE district_id = $1 AND entity = 'course' AND sourced_id = w.id COLLATE "C" AND shown
        LIMIT 1) AS o
"""

# Classes of a batch's courses. Some dozens a course; index on the course.
_CLASSES: Final = f"""
    SELECT o.sourced_id, o.school_id, o.course_id, o.rule_ids, {_SAYS} AS said
    FROM unnest($2::text[]) AS w(id)
    CROSS JOIN LATERAL (
        SELECT sourced_id, school_id, course_id, rule_ids, record FROM roster_publisher.object
        WHERE district_id = $1 AND course_id = w.id COLLATE "C" AND entity = 'class'
          AND shown AND status = 'active' OFFSET 0) AS o
"""


async def rules(driver: asyncpg.Connection, district_id: str) -> Sequence[Rule]:
    """The rules that are scopes of the district."""
    return [
        Rule(
            schools=_given(row["school_ids"]),
            grades=_given(row["grades"]),
            courses=_given(row["course_ids"]),
            subjects=_given(row["subjects"]),
        )
        for row in await driver.fetch(_RULES, district_id)
    ]


async def taught_courses(
    driver: asyncpg.Connection, district_id: str, ids: Collection[str]
) -> Mapping[str, Taught]:
    """What the published courses among `ids` say of grades and subjects."""
    rows = await driver.fetch(_COURSES, district_id, sorted(ids))
    return {row["sourced_id"]: said(row) for row in rows}


async def classes_of(
    driver: asyncpg.Connection, district_id: str, courses: Collection[str]
) -> Sequence[TaughtClass]:
    """Active classes of the courses."""
    rows = await driver.fetch(_CLASSES, district_id, sorted(courses))
    return [
        TaughtClass(
            class_id=row["sourced_id"],
            school_id=row["school_id"],
            course_id=row["course_id"],
            taught=said(row),
            rule_ids=frozenset(row["rule_ids"]),
        )
        for row in rows
    ]


def said(row: Any) -> Taught:
    """The grades and subjects in a row's `said`."""
    return taught(orjson.loads(row["said"]))


def _given(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
