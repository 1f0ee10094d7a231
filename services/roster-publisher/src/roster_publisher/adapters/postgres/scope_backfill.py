"""`Scopes` on PostgreSQL: a rule becomes a scope, with everything in it, or stops being one.

A new rule is a publishing commit of its own, in one transaction under the district's lock: whoever
publishes meanwhile waits and then knows it, and a crash leaves nothing of it. Which records match
is decided by the same index as at publication; what follows them comes in by the same statements.
Every statement filters by district first. Source: ADR 0024.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from roster_common.runtime.database import Database
from roster_common.runtime.failpoints import failpoint
from roster_publisher.adapters.postgres.columns import SEPARATOR
from roster_publisher.adapters.postgres.history import advance
from roster_publisher.adapters.postgres.rule_matches import said, taught_courses
from roster_publisher.adapters.postgres.rule_moves import bring_in
from roster_publisher.adapters.postgres.scope_moves import enter_courses
from roster_publisher.adapters.postgres.vendors import rules_of
from roster_publisher.domain.publication import next_stamp
from roster_publisher.domain.records import Entity, Key
from roster_publisher.domain.rules import NOTHING, Rule, RuleIndex

# A class brings some thirty enrolments along, a user one record at most.
_AT_ONCE: Final[Mapping[Entity, int]] = {"org": 5_000, "class": 500, "user": 5_000}
# Longer than it takes from asking for a rule to the grant that names it.
_UNUSED_FOR: Final = timedelta(hours=1)
_STUDENT_AT: Final = "student@"

_LOCK: Final = """
    INSERT INTO roster_publisher.district_revision AS d (district_id) VALUES ($1)
    ON CONFLICT (district_id) DO UPDATE SET revision = d.revision
    RETURNING revision, stamp
"""
_OTHER_RULES: Final = """
    UPDATE roster_publisher.district_revision SET rules_version = rules_version + 1
    WHERE district_id = $1
"""

# Those that are scopes already. Some dozens; primary key.
_KEEP: Final = """
    UPDATE roster_publisher.scope SET wanted_at = $3
    WHERE district_id = $1 AND scope_id = ANY($2::text[])
    RETURNING scope_id
"""
_ADD: Final = """
    INSERT INTO roster_publisher.scope
        (district_id, scope_id, school_ids, grades, course_ids, subjects, since_rev, wanted_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

# A piece of the district in the order of ids: what rules look at. Primary key.
_PIECE: Final = """
    SELECT o.sourced_id, o.school_id, o.course_id, o.roles_at,
           jsonb_build_object('grades', o.record -> 'grades',
                              'subjects', o.record -> 'subjects')::text AS said
    FROM roster_publisher.object o
    WHERE o.district_id = $1 AND o.entity = $2 AND o.sourced_id > $3 AND o.shown
    ORDER BY o.sourced_id LIMIT $4
"""
# What is shown of the records stays as it is. A row per record that matches; primary key.
_MATCH: Final = """
    UPDATE roster_publisher.object SET rule_ids = rule_ids || f.more
    FROM (SELECT o.place, string_to_array(w.more, E'\\x1f') AS more
          FROM unnest($3::text[], $4::text[]) AS w(sourced_id, more)
          CROSS JOIN LATERAL (
              SELECT ctid AS place FROM roster_publisher.object
              WHERE district_id = $1 AND entity = $2 AND sourced_id = w.sourced_id COLLATE "C"
              LIMIT 1) AS o) AS f
    WHERE ctid = f.place
"""

# Districts with rules nobody asked for lately. Few rows, few scopes.
# house: no-district — age alone decides, in every district alike
_DISTRICTS: Final = "SELECT DISTINCT district_id FROM roster_publisher.scope WHERE wanted_at < $1"
# Grants with rules: some dozens; primary key.
_GRANTED: Final = """
    SELECT rules FROM roster_publisher.grant_ WHERE district_id = $1 AND rules <> '[]'
"""
_OLD: Final = """
    SELECT scope_id FROM roster_publisher.scope WHERE district_id = $1 AND wanted_at < $2
"""
# What matches by itself is a member, so members name the rows. Primary keys.
_UNMATCH: Final = """
    UPDATE roster_publisher.object SET rule_ids = ARRAY(
        SELECT r.id FROM unnest(rule_ids) AS r(id) WHERE r.id <> ALL($2::text[]))
    WHERE ctid = ANY (ARRAY(
        SELECT o.place FROM (
            SELECT DISTINCT entity, sourced_id FROM roster_publisher.scope_member
            WHERE district_id = $1 AND scope_id = ANY($2::text[])
              AND entity IN ('org', 'class', 'user') AND until_rev IS NULL OFFSET 0) AS m
        CROSS JOIN LATERAL (
            SELECT ctid AS place FROM roster_publisher.object
            WHERE district_id = $1 AND entity = m.entity AND sourced_id = m.sourced_id
            LIMIT 1) AS o))
"""
# Nobody sees these any more, so they leave no tombstone. Up to all of a scope; primary key.
_END_MEMBERS: Final = """
    DELETE FROM roster_publisher.scope_member WHERE district_id = $1 AND scope_id = ANY($2::text[])
"""
_END: Final = """
    DELETE FROM roster_publisher.scope WHERE district_id = $1 AND scope_id = ANY($2::text[])
"""


class PostgresScopes:
    """Each call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure(self, district_id: str, rules: Sequence[Rule], *, now: datetime) -> int:
        """Make the rules scopes of the district; returns how many were new."""
        async with self._database.begin() as tx:
            new = await fill_rules(await tx.driver(), district_id, rules, now=now)
            if not new:
                return 0
            failpoint("publisher.scopes.before_commit")
        failpoint("publisher.scopes.after_commit")
        return new

    async def drop_unused(self, *, now: datetime) -> int:
        """End the scopes of rules that no grant names, an hour after they were last asked for;
        returns how many ended. A transaction per district; may run any time, twice.
        """
        ended = 0
        async with self._database.begin() as tx:
            rows = await (await tx.driver()).fetch(_DISTRICTS, now - _UNUSED_FOR)
        for row in rows:
            async with self._database.begin() as tx:
                driver: asyncpg.Connection = await tx.driver()
                ended += await _drop(driver, row[0], before=now - _UNUSED_FOR)
        return ended


async def fill_rules(
    driver: asyncpg.Connection, district_id: str, rules: Sequence[Rule], *, now: datetime
) -> int:
    """Make the rules scopes in the transaction of `driver`, which locks the district; returns how
    many were new.
    """
    wanted = {rule.scope_id: rule for rule in rules}
    at = await driver.fetchrow(_LOCK, district_id)
    assert at is not None  # noqa: S101 - an upsert with RETURNING gives its row
    kept = await driver.fetch(_KEEP, district_id, sorted(wanted), now)
    new = [wanted[one] for one in sorted(wanted.keys() - {row[0] for row in kept})]
    if new:
        fill = _Fill(driver, district_id, at["revision"] + 1, next_stamp(now, at["stamp"]))
        await fill.add(new, now=now)
    return len(new)


async def _drop(driver: asyncpg.Connection, district_id: str, *, before: datetime) -> int:
    await driver.fetchrow(_LOCK, district_id)
    granted = await driver.fetch(_GRANTED, district_id)
    used = {rule.scope_id for row in granted for rule in rules_of(row["rules"])}
    old = {row[0] for row in await driver.fetch(_OLD, district_id, before)}
    unused = sorted(old - used)
    if unused:
        for statement in (_UNMATCH, _END_MEMBERS, _END):
            await driver.execute(statement, district_id, unused)
        await driver.execute(_OTHER_RULES, district_id)
    return len(unused)


class _Fill:
    """New rules of one district, in one transaction."""

    def __init__(
        self, driver: asyncpg.Connection, district_id: str, revision: int, stamp: datetime
    ) -> None:
        self._driver = driver
        self._district_id = district_id
        self._at: Mapping[str, Any] = {"revision": revision, "stamp": stamp}

    async def add(self, rules: Sequence[Rule], *, now: datetime) -> None:
        """Store the rules and let in whatever is in them; a revision only if something is."""
        for rule in rules:
            await self._driver.execute(
                _ADD,
                self._district_id,
                rule.scope_id,
                *map(_listed, (rule.schools, rule.grades, rule.courses, rule.subjects)),
                self._at["revision"],
                now,
            )
        index = RuleIndex(rules)
        began = 0
        for entity in _AT_ONCE:
            began += await self._let_in(index, entity)
        await self._driver.execute(_OTHER_RULES, self._district_id)
        if began:
            await advance(self._driver, self._district_id, **self._at)

    async def _let_in(self, index: RuleIndex, entity: Entity) -> int:
        """Everything of one kind, a bounded piece after the other; how many memberships began."""
        began, after = 0, ""
        while piece := await self._driver.fetch(
            _PIECE, self._district_id, entity, after, _AT_ONCE[entity]
        ):
            after = piece[-1]["sourced_id"]
            found = await self._matched(index, entity, piece)
            if found:
                await self._keep(entity, found)
                keys = [Key(entity, row["sourced_id"]) for row, _ in found]
                began += await bring_in(self._driver, self._district_id, keys, **self._at)
            if entity == "class":
                courses = {(row["course_id"], scope) for row, rules in found for scope in rules}
                await enter_courses(self._driver, self._district_id, courses, **self._at)
        return began

    async def _matched(
        self, index: RuleIndex, entity: Entity, piece: Sequence[asyncpg.Record]
    ) -> Sequence[tuple[asyncpg.Record, frozenset[str]]]:
        """The rows that match, with what they match."""
        ids = {row["course_id"] for row in piece} if entity == "class" else set()
        courses = await taught_courses(self._driver, self._district_id, ids) if ids else {}

        def of(row: asyncpg.Record) -> frozenset[str]:
            """The rules that one row matches."""
            match entity:
                case "org":
                    return index.of_org(row["sourced_id"])
                case "class":
                    return index.of_class(
                        school=row["school_id"],
                        course=row["course_id"],
                        taught=said(row).over(courses.get(row["course_id"], NOTHING)),
                    )
                case _:
                    return index.of_student(
                        schools=_student_at(row["roles_at"]), grades=said(row).grades
                    )

        return [(row, rules) for row in piece if (rules := of(row))]

    async def _keep(
        self, entity: Entity, found: Sequence[tuple[asyncpg.Record, frozenset[str]]]
    ) -> None:
        await self._driver.execute(
            _MATCH,
            self._district_id,
            entity,
            [row["sourced_id"] for row, _ in found],
            [SEPARATOR.join(sorted(rules)) for _, rules in found],
        )


def _student_at(roles_at: Sequence[str]) -> Sequence[str]:
    """Orgs with a role of a student among roles and their orgs."""
    return [at.removeprefix(_STUDENT_AT) for at in roles_at if at.startswith(_STUDENT_AT)]


def _listed(values: Sequence[str] | None) -> list[str] | None:
    return None if values is None else list(values)
