"""Derived states of people and classes inside one transaction, read and written as sets.

Every statement filters by district first. Nothing here commits, but `PostgresStateUnits.begin`.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any, Final

import asyncpg
import orjson

from roster_common.contracts.envelope import Event
from roster_common.runtime.database import Database, Tx
from roster_common.runtime.failpoints import failpoint
from roster_publisher.adapters.events import class_state, lifecycle_step, person_state
from roster_publisher.domain.lifecycle import Standing, Step
from roster_publisher.domain.people import (
    Class,
    EnrolmentFacts,
    OrgFacts,
    Person,
    PersonFacts,
    Term,
)
from roster_publisher.domain.publication import Cause
from roster_publisher.ports import DirtyMark, PersonConclusion, PersonHeld

NewEvent = Callable[..., Event]


def _claim(table: str, column: str) -> str:
    """Takes ready ids of one district out of the queue, live ones first; index (bulk, ready_at)."""
    return f"""
    WITH first AS (
        SELECT district_id FROM roster_publisher.{table} WHERE ready_at <= $1
        ORDER BY bulk, ready_at LIMIT 1
    ), claimed AS (
        SELECT d.district_id, d.{column} FROM roster_publisher.{table} d
        WHERE d.district_id = (SELECT district_id FROM first) AND d.ready_at <= $1
        ORDER BY d.bulk, d.ready_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    DELETE FROM roster_publisher.{table} d USING claimed c
    WHERE d.district_id = c.district_id AND d.{column} = c.{column}
    RETURNING d.district_id, d.{column} AS id, d.correlation_id, d.causation_id, d.origin, d.force
    """


_CLAIM_PEOPLE: Final = _claim("dirty_person", "person_id")
_CLAIM_CLASSES: Final = _claim("dirty_class", "class_id")

_REVISION: Final = """
    SELECT revision FROM roster_publisher.district_revision WHERE district_id = $1
"""

# Shown users of a batch. A row per person; primary key.
_USERS: Final = """
    SELECT u.sourced_id, u.status, u.record::text AS record
    FROM unnest($2::text[]) AS w(id)
    CROSS JOIN LATERAL (
        SELECT sourced_id, status, record FROM roster_publisher.object
        WHERE district_id = $1 AND entity = 'user' AND sourced_id = w.id COLLATE "C" AND shown
        LIMIT 1) AS u
"""

# Active enrolments of a batch with their active classes. About six rows a student; user_id.
_ENROLMENTS: Final = """
    SELECT e.user_id, e.class_id, e.school_id, e.kind, e.record::text AS record,
           c.record ->> 'title' AS title, c.record ->> 'classCode' AS class_code, c.term_ids
    FROM unnest($2::text[]) AS w(id)
    CROSS JOIN LATERAL (
        SELECT user_id, class_id, school_id, kind, record FROM roster_publisher.object
        WHERE district_id = $1 AND user_id = w.id COLLATE "C"
          AND entity = 'enrollment' AND shown AND status = 'active' OFFSET 0) AS e
    CROSS JOIN LATERAL (
        SELECT record, term_ids FROM roster_publisher.object
        WHERE district_id = $1 AND entity = 'class' AND sourced_id = e.class_id
          AND shown AND status = 'active' LIMIT 1) AS c
"""

_ORGS: Final = """
    SELECT sourced_id, record ->> 'name' AS name, kind FROM roster_publisher.object
    WHERE district_id = $1 AND entity = 'org' AND sourced_id = ANY($2::text[]) AND shown
"""

# What was concluded about a batch. Locked, so that a conclusion is drawn once. Primary key.
_HELD: Final = """
    SELECT p.* FROM unnest($2::text[]) AS w(id)
    CROSS JOIN LATERAL (
        SELECT * FROM roster_publisher.person_state
        WHERE district_id = $1 AND person_id = w.id COLLATE "C" LIMIT 1 FOR UPDATE) AS p
"""

_KEEP_PEOPLE: Final = """
    INSERT INTO roster_publisher.person_state
        (district_id, revision, person_id, state_hash, phase, role, org_ids, left_due_at,
         left_correlation_id, left_causation_id, left_origin, next_date)
    SELECT $1, $2, w.person_id, w.state_hash, w.phase, w.role,
           string_to_array(w.org_ids, E'\\x1f'), w.left_due_at,
           w.left_correlation_id, w.left_causation_id, w.left_origin, w.next_date
    FROM unnest($3::text[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
                $9::text[], $10::text[], $11::text[], $12::date[])
        AS w(person_id, state_hash, phase, role, org_ids, left_due_at,
             left_correlation_id, left_causation_id, left_origin, next_date)
    ON CONFLICT (district_id, person_id) DO UPDATE SET
        revision = excluded.revision, state_hash = excluded.state_hash, phase = excluded.phase,
        role = excluded.role, org_ids = excluded.org_ids, left_due_at = excluded.left_due_at,
        left_correlation_id = excluded.left_correlation_id,
        left_causation_id = excluded.left_causation_id, left_origin = excluded.left_origin,
        next_date = excluded.next_date
"""

# Shown classes of a batch with the names around them. A row per class; primary keys.
_CLASSES: Final = """
    SELECT c.sourced_id, c.status, c.record::text AS record, c.course_id, c.school_id,
           course.record ->> 'title' AS course_title, school.record ->> 'name' AS school_name,
           (SELECT jsonb_agg(jsonb_build_array(t.sourced_id, t.record -> 'title',
                       t.record -> 'startDate', t.record -> 'endDate') ORDER BY t.sourced_id)::text
            FROM roster_publisher.object t
            WHERE t.district_id = $1 AND t.entity = 'academicSession'
              AND t.sourced_id = ANY(c.term_ids) AND t.shown) AS terms
    FROM roster_publisher.object c
    LEFT JOIN roster_publisher.object course ON course.district_id = $1
     AND course.entity = 'course' AND course.sourced_id = c.course_id
    LEFT JOIN roster_publisher.object school ON school.district_id = $1
     AND school.entity = 'org' AND school.sourced_id = c.school_id
    WHERE c.district_id = $1 AND c.entity = 'class' AND c.sourced_id = ANY($2::text[]) AND c.shown
"""

_CLASS_HASHES: Final = """
    SELECT class_id, state_hash FROM roster_publisher.class_state
    WHERE district_id = $1 AND class_id = ANY($2::text[]) ORDER BY class_id FOR UPDATE
"""

_KEEP_CLASSES: Final = """
    INSERT INTO roster_publisher.class_state (district_id, revision, class_id, state_hash)
    SELECT $1, $2, * FROM unnest($3::text[], $4::bytea[])
    ON CONFLICT (district_id, class_id) DO UPDATE SET
        revision = excluded.revision, state_hash = excluded.state_hash
"""


class PostgresStateUnit:
    """`StateUnit` on one transaction."""

    def __init__(self, tx: Tx, driver: asyncpg.Connection, new_event: NewEvent) -> None:
        self._tx = tx
        self._driver = driver
        self._new_event = new_event

    async def claim_people(self, *, now: datetime, limit: int) -> tuple[str, Sequence[DirtyMark]]:
        """Take up to `limit` ready people of one district out of the queue."""
        return await self._claim(_CLAIM_PEOPLE, now, limit)

    async def claim_classes(self, *, now: datetime, limit: int) -> tuple[str, Sequence[DirtyMark]]:
        """Take up to `limit` ready classes of one district out of the queue."""
        return await self._claim(_CLAIM_CLASSES, now, limit)

    async def revision(self, district_id: str) -> int:
        """The district's published revision."""
        return int(await self._driver.fetchval(_REVISION, district_id) or 0)

    async def people(self, district_id: str, ids: Sequence[str]) -> Sequence[PersonFacts]:
        """Shown users among `ids` with their active enrolments."""
        enrolments: dict[str, list[EnrolmentFacts]] = {}
        for row in await self._driver.fetch(_ENROLMENTS, district_id, ids):
            enrolments.setdefault(row["user_id"], []).append(_enrolment(row))
        return [
            PersonFacts(
                person_id=row["sourced_id"],
                status=row["status"],
                record=orjson.loads(row["record"]),
                enrolments=enrolments.get(row["sourced_id"], ()),
            )
            for row in await self._driver.fetch(_USERS, district_id, ids)
        ]

    async def orgs(self, district_id: str, ids: Iterable[str]) -> Mapping[str, OrgFacts]:
        """Shown orgs among `ids`."""
        rows = await self._driver.fetch(_ORGS, district_id, sorted(ids))
        return {row["sourced_id"]: OrgFacts(name=row["name"], type=row["kind"]) for row in rows}

    async def held(self, district_id: str, ids: Sequence[str]) -> Mapping[str, PersonHeld]:
        """What was concluded about `ids` last."""
        rows = await self._driver.fetch(_HELD, district_id, ids)
        return {row["person_id"]: _held(row) for row in rows}

    async def keep_people(
        self, district_id: str, conclusions: Sequence[PersonConclusion], *, revision: int
    ) -> None:
        """Store conclusions, one per person."""
        rows = [_kept(one) for one in sorted(conclusions, key=lambda c: c.person_id)]
        if rows:
            await self._driver.execute(
                _KEEP_PEOPLE, district_id, revision, *map(list, zip(*rows, strict=True))
            )

    async def classes(self, district_id: str, ids: Sequence[str]) -> Sequence[Class]:
        """State of the shown classes among `ids`."""
        return [_class(row) for row in await self._driver.fetch(_CLASSES, district_id, ids)]

    async def class_hashes(self, district_id: str, ids: Sequence[str]) -> Mapping[str, bytes]:
        """Hash of the state emitted last, per class."""
        rows = await self._driver.fetch(_CLASS_HASHES, district_id, ids)
        return {row["class_id"]: row["state_hash"] for row in rows}

    async def keep_classes(
        self, district_id: str, hashes: Mapping[str, bytes], *, revision: int
    ) -> None:
        """Store the hashes of the states emitted."""
        ids = sorted(hashes)
        await self._driver.execute(
            _KEEP_CLASSES, district_id, revision, ids, [hashes[one] for one in ids]
        )

    def emit_person(self, district_id: str, person: Person, *, revision: int, cause: Cause) -> None:
        """Stage the person's state for the log."""
        self._emit(person_state(person, revision=revision), district_id, cause)

    def emit_class(self, district_id: str, state: Class, *, revision: int, cause: Cause) -> None:
        """Stage the class's state for the log."""
        self._emit(class_state(state, revision=revision), district_id, cause)

    def emit_step(
        self, district_id: str, person_id: str, step: Step, *, at: datetime, cause: Cause
    ) -> None:
        """Stage a lifecycle fact for the log."""
        self._emit(lifecycle_step(person_id, step, at=at), district_id, cause)

    def _emit(self, data: Any, district_id: str, cause: Cause) -> None:
        self._tx.emit(
            self._new_event(
                data,
                district_id=district_id,
                origin=cause.origin,
                correlation_id=cause.correlation_id,
                causation_id=cause.event_id or None,
            )
        )

    async def _claim(
        self, statement: str, now: datetime, limit: int
    ) -> tuple[str, Sequence[DirtyMark]]:
        rows = await self._driver.fetch(statement, now, limit)
        marks = [
            DirtyMark(
                id=row["id"],
                cause=_cause(row["causation_id"], row["correlation_id"], row["origin"]),
                force=row["force"],
            )
            for row in rows
        ]
        return (rows[0]["district_id"] if rows else "", marks)


class PostgresStateUnits:
    """Opens transactions on derived states; fail points stand on both sides of the commit."""

    def __init__(self, database: Database, new_event: NewEvent) -> None:
        self._database = database
        self._new_event = new_event

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[PostgresStateUnit]:
        """A transaction that commits when its block ends well."""
        async with self._database.begin() as tx:
            yield PostgresStateUnit(tx, await tx.driver(), self._new_event)
            failpoint("publisher.derive.before_commit")
        failpoint("publisher.derive.after_commit")


def _cause(event_id: str | None, correlation_id: str, origin: Any) -> Cause:
    return Cause(event_id=event_id or "", correlation_id=correlation_id, origin=origin)


def _enrolment(row: asyncpg.Record) -> EnrolmentFacts:
    return EnrolmentFacts(
        class_id=row["class_id"],
        school_id=row["school_id"],
        role=row["kind"],
        record=orjson.loads(row["record"]),
        title=row["title"],
        class_code=row["class_code"],
        term_ids=tuple(row["term_ids"]),
    )


def _held(row: asyncpg.Record) -> PersonHeld:
    correlation_id = row["left_correlation_id"]
    return PersonHeld(
        state_hash=row["state_hash"],
        standing=Standing(
            phase=row["phase"],
            role=row["role"],
            org_ids=tuple(row["org_ids"]),
            left_due_at=row["left_due_at"],
        ),
        left_cause=None
        if correlation_id is None
        else _cause(row["left_causation_id"], correlation_id, row["left_origin"]),
    )


def _kept(one: PersonConclusion) -> tuple[Any, ...]:
    standing, cause = one.standing, one.left_cause
    return (
        one.person_id,
        one.state_hash,
        standing.phase,
        standing.role,
        "\x1f".join(standing.org_ids),
        standing.left_due_at,
        cause.correlation_id if cause else None,
        cause.event_id if cause else None,
        cause.origin if cause else None,
        one.next_date,
    )


def _class(row: asyncpg.Record) -> Class:
    record = orjson.loads(row["record"])
    return Class(
        class_id=row["sourced_id"],
        status=row["status"],
        title=record["title"],
        class_code=record.get("classCode"),
        class_type=record.get("classType"),
        course_id=row["course_id"],
        course_title=row["course_title"],
        school_id=row["school_id"],
        school_name=row["school_name"],
        terms=tuple(
            Term(id=i, title=title, begin=_day(begin), end=_day(end))
            for i, title, begin, end in orjson.loads(row["terms"] or "[]")
        ),
        grades=tuple(record.get("grades") or ()),
        subjects=tuple(record.get("subjects") or ()),
        periods=tuple(record.get("periods") or ()),
    )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
