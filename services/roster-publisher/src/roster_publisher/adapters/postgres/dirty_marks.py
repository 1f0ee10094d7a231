"""Marks people and classes whose derived state may have changed, in the publishing transaction.

Live causes win over those of a first load, so that a webhook is not taken for part of a load. Bulk
marks wait until the district's bulk has been quiet for a moment, so that one person's records,
which come by collection, make one state. Statements are sets; every one filters by district first.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from roster_publisher.domain.publication import Cause, Change
from roster_publisher.domain.records import Entity, ref_id
from roster_publisher.ports.publishing import Publication

BULK_ORIGINS: Final = frozenset({"firstload", "snapshot", "republish"})
BULK_QUIET: Final = timedelta(seconds=2)
# Whatever goes on for longer is derived beside it.
BULK_WAITS_AT_MOST: Final = timedelta(minutes=2)

_CAUSES: Final = """
    SELECT t.id COLLATE "C" AS id, t.correlation_id, t.causation_id, t.origin, t.bulk,
           $7::timestamptz AS ready_at
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bool[])
        AS t(id, correlation_id, causation_id, origin, bulk)
"""


def _upsert(table: str, column: str, source: str) -> str:
    """A statement that marks the ids `source` selects from the causes `w`."""
    return f"""
    WITH w AS ({_CAUSES})
    INSERT INTO roster_publisher.{table} AS d
        (district_id, {column}, correlation_id, causation_id, origin, bulk, ready_at)
    SELECT DISTINCT ON (s.id) $1, s.id, s.correlation_id, s.causation_id, s.origin, s.bulk,
           s.ready_at
    FROM ({source}) AS s ORDER BY s.id, (s.origin = 'firstload')
    ON CONFLICT (district_id, {column}) DO UPDATE SET
        correlation_id = CASE WHEN excluded.origin = 'firstload' THEN d.correlation_id
                              ELSE excluded.correlation_id END,
        causation_id = CASE WHEN excluded.origin = 'firstload' THEN d.causation_id
                            ELSE excluded.causation_id END,
        origin = CASE WHEN excluded.origin = 'firstload' THEN d.origin ELSE excluded.origin END,
        bulk = d.bulk AND excluded.bulk,
        ready_at = least(d.ready_at, excluded.ready_at)
    """


_REST: Final = "w.correlation_id, w.causation_id, w.origin, w.bulk, w.ready_at"

# The people named. A row per person.
_PEOPLE: Final = _upsert("dirty_person", "person_id", "SELECT w.* FROM w")
# Everybody in classes that changed. About 30 rows per class; index on class_id.
_PEOPLE_OF_CLASSES: Final = _upsert(
    "dirty_person",
    "person_id",
    f"""SELECT e.user_id AS id, {_REST} FROM w CROSS JOIN LATERAL (
            SELECT user_id FROM roster_publisher.object
            WHERE district_id = $1 AND class_id = w.id AND entity = 'enrollment' AND shown
            OFFSET 0) AS e""",
)
# Everybody with a role at orgs that changed: up to all of a school; scope_member's key.
_PEOPLE_OF_ORGS: Final = _upsert(
    "dirty_person",
    "person_id",
    f"""SELECT m.sourced_id AS id, {_REST} FROM w CROSS JOIN LATERAL (
            SELECT sourced_id FROM roster_publisher.scope_member
            WHERE district_id = $1 AND scope_id = w.id AND entity = 'user' AND until_rev IS NULL
            OFFSET 0) AS m""",
)
# Everybody in classes of orgs that changed: rare, so the district's enrolments are read through.
_PUPILS_OF_ORGS: Final = _upsert(
    "dirty_person",
    "person_id",
    f"""SELECT e.user_id AS id, {_REST}
        FROM w JOIN roster_publisher.object e ON e.district_id = $1 AND e.entity = 'enrollment'
         AND e.school_id = w.id AND e.shown""",
)
# The classes named. A row per class.
_CLASSES: Final = _upsert("dirty_class", "class_id", "SELECT w.* FROM w")
# Classes of courses that changed. Few rows; index on course_id.
_CLASSES_OF_COURSES: Final = _upsert(
    "dirty_class",
    "class_id",
    f"""SELECT c.sourced_id AS id, {_REST} FROM w CROSS JOIN LATERAL (
            SELECT sourced_id FROM roster_publisher.object
            WHERE district_id = $1 AND course_id = w.id AND entity = 'class' AND shown
            OFFSET 0) AS c""",
)
# Classes at orgs or in sessions that changed: rare, so the district's classes are read through.
_CLASSES_OF_ORGS: Final = _upsert(
    "dirty_class",
    "class_id",
    f"""SELECT c.sourced_id AS id, {_REST}
        FROM w JOIN roster_publisher.object c ON c.district_id = $1 AND c.entity = 'class'
         AND c.school_id = w.id AND c.shown""",
)
_CLASSES_OF_SESSIONS: Final = _upsert(
    "dirty_class",
    "class_id",
    f"""SELECT c.sourced_id AS id, {_REST}
        FROM w JOIN roster_publisher.object c ON c.district_id = $1 AND c.entity = 'class'
         AND c.term_ids @> ARRAY[w.id::text] AND c.shown""",
)
_SPREAD: Final[tuple[tuple[str, Entity], ...]] = (
    (_PEOPLE_OF_CLASSES, "class"),
    (_PEOPLE_OF_ORGS, "org"),
    (_PUPILS_OF_ORGS, "org"),
    (_CLASSES_OF_COURSES, "course"),
    (_CLASSES_OF_ORGS, "org"),
    (_CLASSES_OF_SESSIONS, "academicSession"),
)


# Says that bulk goes on, and since when. One row.
_BULK: Final = """
    UPDATE roster_publisher.district_revision SET
        bulk_since = CASE WHEN bulk_until > $2 THEN bulk_since ELSE $2 END, bulk_until = $3
    WHERE district_id = $1
"""


# Marked already where the merge was published; index: the queue's key. Few rows.
_MERGED: Final = """
    UPDATE roster_publisher.dirty_person d SET merged_into = t.into_id
    FROM unnest($2::text[], $3::text[]) AS t(id, into_id)
    WHERE d.district_id = $1 AND d.person_id = t.id COLLATE "C"
"""


async def mark_dirty(
    driver: asyncpg.Connection,
    district_id: str,
    publications: Sequence[Publication],
    *,
    now: datetime,
) -> None:
    """Mark whoever the publications touch. Does not commit; may run twice."""
    if any(one.draft.cause.origin in BULK_ORIGINS for one in publications):
        await driver.execute(_BULK, district_id, now, now + BULK_QUIET)
    people: dict[str, Cause] = {}
    for one in publications:
        if one.draft.key.entity == "user":
            people[one.draft.key.sourced_id] = one.draft.cause
        elif one.draft.key.entity == "enrollment":
            for user_id in (ref_id(one.draft.record, "user"), one.before and one.before.user_id):
                if user_id:
                    people[user_id] = one.draft.cause
    await _mark(driver, _PEOPLE, district_id, people, now)
    await _mark(driver, _CLASSES, district_id, _of(publications, "class"), now)
    # Something new has nobody yet: whoever waited for it is published, and so marked, beside it.
    changed = [one for one in publications if one.before is not None and one.before.shown]
    for statement, entity in _SPREAD:
        await _mark(driver, statement, district_id, _of(changed, entity), now)


async def mark_merged(
    driver: asyncpg.Connection, district_id: str, merged: Sequence[Change], *, now: datetime
) -> None:
    """Mark people whose ids ended, also those who had left. Does not commit; may run twice."""
    await _mark(driver, _PEOPLE, district_id, {c.key.sourced_id: c.cause for c in merged}, now)
    into = {c.key.sourced_id: c.merged_into for c in merged}
    await driver.execute(_MERGED, district_id, list(into), list(into.values()))


def _of(publications: Sequence[Publication], entity: Entity) -> dict[str, Cause]:
    return {
        one.draft.key.sourced_id: one.draft.cause
        for one in publications
        if one.draft.key.entity == entity
    }


async def _mark(
    driver: asyncpg.Connection,
    statement: str,
    district_id: str,
    causes: dict[str, Cause],
    now: datetime,
) -> None:
    if not causes:
        return
    ids = sorted(causes)
    await driver.execute(
        statement,
        district_id,
        ids,
        [causes[one].correlation_id for one in ids],
        [causes[one].event_id for one in ids],
        [causes[one].origin for one in ids],
        [causes[one].origin in BULK_ORIGINS for one in ids],
        now,
    )
