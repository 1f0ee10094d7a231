"""Keeps `scope_member`: which record is in which scope, from and until which commit.

Here a scope is an org; `rule_moves` keeps those of rules. What is in it: the org itself; users with
a role there; courses of it, and those its classes are of; its classes; enrolments in its classes,
`via` each org where the person has a role (a grant must hold both: else the reference would name
somebody it does not see); demographics where their user is. For every other record `via_id` is the
scope itself. Academic sessions are in everybody's view. A course stays where it once was, because
tombstones there may point to it, and a deleted record stays where it was deleted.

Runs inside the publishing transaction, behind the write of the batch; an event costs what it moves.
Source: blueprint, invariant 7.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from roster_publisher.adapters.postgres.last_seen import keep_last
from roster_publisher.adapters.postgres.rule_moves import move_rules
from roster_publisher.domain.records import Key
from roster_publisher.ports.publishing import Publication, Rematched

# A record's memberships as the store now stands: per key few rows, by primary keys.
_WANTED: Final = """
    SELECT o.entity, o.sourced_id, w.scope_id, w.via_id
    FROM roster_publisher.object o
    CROSS JOIN LATERAL (
        SELECT o.sourced_id AS scope_id, o.sourced_id AS via_id WHERE o.entity = 'org'
        UNION ALL
        SELECT o.school_id, o.school_id WHERE o.entity = 'class'
        UNION ALL
        SELECT s.id, s.id FROM unnest(o.scope_ids) AS s(id) WHERE o.entity IN ('user', 'course')
        UNION ALL
        SELECT s.id, s.id FROM (
            SELECT u.scope_ids FROM roster_publisher.object u
            WHERE o.entity = 'demographics' AND u.district_id = $1 AND u.entity = 'user'
              AND u.sourced_id = o.sourced_id LIMIT 1) AS u, unnest(u.scope_ids) AS s(id)
        UNION ALL
        SELECT o.school_id, s.id FROM (
            SELECT u.scope_ids FROM roster_publisher.object u
            WHERE o.entity = 'enrollment' AND u.district_id = $1 AND u.entity = 'user'
              AND u.sourced_id = o.user_id LIMIT 1) AS u, unnest(u.scope_ids) AS s(id), (
            SELECT k.school_id FROM roster_publisher.object k
            WHERE k.district_id = $1 AND k.entity = 'class' AND k.sourced_id = o.class_id
            LIMIT 1) AS k
        WHERE k.school_id = o.school_id
    ) AS w
    WHERE o.district_id = $1
"""
_TOUCHED: Final = """
    SELECT t.entity, t.sourced_id COLLATE "C" AS sourced_id
    FROM unnest($2::text[], $3::text[]) AS t(entity, sourced_id)
"""
_OF_TOUCHED: Final = f"""
    SELECT w.* FROM touched t CROSS JOIN LATERAL (
        {_WANTED} AND o.entity = t.entity AND o.sourced_id = t.sourced_id OFFSET 0) AS w
"""

# Who moves along with users and classes that moved: their enrolments, the users' demographics,
# each with whom it follows. Deleted records stay where they are. About ten rows a user, thirty a
# class; indexes.
_FOLLOWERS: Final = """
    SELECT 'enrollment' AS entity, e.sourced_id, 'user' AS leader, u.id AS leader_id
    FROM unnest($2::text[]) AS u(id) CROSS JOIN LATERAL (
        SELECT sourced_id FROM roster_publisher.object
        WHERE district_id = $1 AND user_id = u.id COLLATE "C" AND entity = 'enrollment'
          AND shown AND status = 'active' OFFSET 0) AS e
    UNION ALL
    SELECT 'enrollment', e.sourced_id, 'class', k.id
    FROM unnest($3::text[]) AS k(id) CROSS JOIN LATERAL (
        SELECT sourced_id FROM roster_publisher.object
        WHERE district_id = $1 AND class_id = k.id COLLATE "C" AND entity = 'enrollment'
          AND shown AND status = 'active' OFFSET 0) AS e
    UNION ALL
    SELECT 'demographics', d.sourced_id, 'user', u.id
    FROM unnest($2::text[]) AS u(id) CROSS JOIN LATERAL (
        SELECT sourced_id FROM roster_publisher.object
        WHERE district_id = $1 AND entity = 'demographics' AND sourced_id = u.id COLLATE "C"
          AND shown AND status = 'active' LIMIT 1) AS d
"""

# Ends the memberships that are no longer wanted. Few rows; index on the record.
_LEAVE: Final = f"""
    WITH touched AS ({_TOUCHED})
    UPDATE roster_publisher.scope_member SET until_rev = $4, until_stamp = $5
    WHERE ctid = ANY (ARRAY(
        SELECT m.ctid FROM touched t CROSS JOIN LATERAL (
            SELECT ctid, scope_id, via_id FROM roster_publisher.scope_member
            WHERE district_id = $1 AND entity = t.entity AND sourced_id = t.sourced_id
              AND until_rev IS NULL AND NOT starts_with(scope_id, 'rule:') OFFSET 0) AS m
        LEFT JOIN LATERAL (
            {_WANTED} AND o.entity = t.entity AND o.sourced_id = t.sourced_id
              AND w.scope_id = m.scope_id AND w.via_id = m.via_id LIMIT 1) AS w ON true
        WHERE t.entity <> 'course' AND w.entity IS NULL))
    RETURNING entity, sourced_id
"""

# Begins the memberships that are wanted and not there. A row per (record, org); index. What is
# there is looked up one by one: as an anti-join it would be compared with all of the table for as
# long as the table has no counts.
_ENTER: Final = f"""
    WITH touched AS ({_TOUCHED})
    INSERT INTO roster_publisher.scope_member
        (district_id, entity, sourced_id, scope_id, via_id, since_rev, since_stamp)
    SELECT DISTINCT $1, w.entity, w.sourced_id, w.scope_id, w.via_id, $4::bigint, $5::timestamptz
    FROM ({_OF_TOUCHED}) AS w
    LEFT JOIN LATERAL (
        SELECT m.since_rev FROM roster_publisher.scope_member m
        WHERE m.district_id = $1 AND m.entity = w.entity AND m.sourced_id = w.sourced_id
          AND m.scope_id = w.scope_id AND m.via_id = w.via_id AND m.until_rev IS NULL LIMIT 1
    ) AS m ON true
    WHERE m.since_rev IS NULL
    ON CONFLICT DO NOTHING
"""

# A class brings its course into its school's scope. Few rows; index on the record.
_ENTER_COURSES: Final = """
    INSERT INTO roster_publisher.scope_member
        (district_id, entity, sourced_id, scope_id, via_id, since_rev, since_stamp)
    SELECT $1, 'course', w.course_id, w.scope_id, w.scope_id, $4::bigint, $5::timestamptz
    FROM (SELECT DISTINCT t.course_id COLLATE "C" AS course_id, t.scope_id COLLATE "C" AS scope_id
          FROM unnest($2::text[], $3::text[]) AS t(course_id, scope_id)) AS w
    LEFT JOIN LATERAL (
        SELECT m.since_rev FROM roster_publisher.scope_member m
        WHERE m.district_id = $1 AND m.entity = 'course' AND m.sourced_id = w.course_id
          AND m.scope_id = w.scope_id AND m.until_rev IS NULL LIMIT 1) AS m ON true
    WHERE m.since_rev IS NULL
"""


async def move_scopes(
    driver: asyncpg.Connection,
    district_id: str,
    publications: Sequence[Publication],
    *,
    revision: int,
    stamp: datetime,
    rematched: Sequence[Rematched] | None,
) -> None:
    """Bring memberships in line with `publications`, written just before. Does not commit.

    `rematched` is None where the district has no rules.
    """
    written = {p.draft.key: p for p in publications if p.draft.key.entity != "academicSession"}
    fresh = {key for key, p in written.items() if p.before is None or not p.before.shown}
    changed = {key: p.draft.cause.correlation_id for key, p in written.items() if key not in fresh}
    changed = await _followers(driver, district_id, [written[key] for key in changed]) | changed
    changed = {key: cause for key, cause in changed.items() if key not in fresh}
    if changed:
        left = await driver.fetch(_LEAVE, district_id, *_arrays(changed), revision, stamp)
        lost = {key: changed[key] for key in (Key(*row) for row in left)}
        await keep_last(driver, district_id, lost, revision=revision, stamp=stamp)
    if written:
        entering = fresh | changed.keys()
        await driver.execute(_ENTER, district_id, *_arrays(entering), revision, stamp)
    courses = {
        (one.draft.record["course"]["sourcedId"], scope)
        for one in publications
        if one.draft.key.entity == "class"
        for scope in one.scope_ids
    }
    if rematched is not None:
        courses |= await move_rules(
            driver, district_id, publications, rematched, revision=revision, stamp=stamp
        )
    await enter_courses(driver, district_id, courses, revision=revision, stamp=stamp)


async def enter_courses(
    driver: asyncpg.Connection,
    district_id: str,
    courses: Collection[tuple[str, str]],
    *,
    revision: int,
    stamp: datetime,
) -> None:
    """Bring (course, scope) in where it is not in yet. Does not commit."""
    if courses:
        await driver.execute(_ENTER_COURSES, district_id, *_arrays(courses), revision, stamp)


async def _followers(
    driver: asyncpg.Connection, district_id: str, changed: Sequence[Publication]
) -> dict[Key, str]:
    """What moves along with those of `changed` that moved, with the correlation id of that."""
    moved = {
        p.draft.key: p.draft.cause.correlation_id
        for p in changed
        if p.before is not None and p.before.scope_ids != p.scope_ids
    }
    users = [key.sourced_id for key in moved if key.entity == "user"]
    classes = [key.sourced_id for key in moved if key.entity == "class"]
    if not users and not classes:
        return {}
    rows = await driver.fetch(_FOLLOWERS, district_id, users, classes)
    return {Key(row[0], row[1]): moved[Key(row[2], row[3])] for row in rows}


def _arrays(pairs: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    # Sorted, so that two transactions touch rows in the same order.
    listed = sorted(pairs)
    return [pair[0] for pair in listed], [pair[1] for pair in listed]
