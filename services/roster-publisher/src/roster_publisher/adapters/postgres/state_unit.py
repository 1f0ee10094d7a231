"""Derived states of people and classes inside one transaction, read and written as sets.

Every statement filters by district first. Nothing here commits, but `PostgresStateUnits.begin`.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any

import asyncpg
import orjson

from roster_common.contracts.envelope import Event
from roster_common.runtime.database import Database, Tx
from roster_common.runtime.failpoints import failpoint
from roster_publisher.adapters.events import (
    class_moved,
    class_state,
    lifecycle_step,
    person_state,
)
from roster_publisher.adapters.postgres import state_sql as sql
from roster_publisher.adapters.postgres.causes import keep_causes
from roster_publisher.adapters.postgres.dirty_marks import BULK_WAITS_AT_MOST
from roster_publisher.domain.causes import CauseLine
from roster_publisher.domain.class_moves import ClassMove, Seat
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
from roster_publisher.ports.states import DirtyMark, PersonConclusion, PersonHeld

NewEvent = Callable[..., Event]


class PostgresStateUnit:
    """`StateUnit` on one transaction."""

    def __init__(self, tx: Tx, driver: asyncpg.Connection, new_event: NewEvent) -> None:
        self._tx = tx
        self._driver = driver
        self._new_event = new_event

    async def claim_people(self, *, now: datetime, limit: int) -> tuple[str, Sequence[DirtyMark]]:
        """Take up to `limit` ready people of one district out of the queue."""
        return await self._claim(sql.CLAIM_PEOPLE, now, limit)

    async def claim_classes(self, *, now: datetime, limit: int) -> tuple[str, Sequence[DirtyMark]]:
        """Take up to `limit` ready classes of one district out of the queue."""
        return await self._claim(sql.CLAIM_CLASSES, now, limit)

    async def revision(self, district_id: str) -> int:
        """The district's published revision."""
        return int(await self._driver.fetchval(sql.REVISION, district_id) or 0)

    async def people(self, district_id: str, ids: Sequence[str]) -> Sequence[PersonFacts]:
        """Shown users among `ids` with their active enrolments."""
        enrolments: dict[str, list[EnrolmentFacts]] = {}
        for row in await self._driver.fetch(sql.ENROLMENTS, district_id, ids):
            enrolments.setdefault(row["user_id"], []).append(_enrolment(row))
        return [
            PersonFacts(
                person_id=row["sourced_id"],
                status=row["status"],
                record=orjson.loads(row["record"]),
                enrolments=enrolments.get(row["sourced_id"], ()),
            )
            for row in await self._driver.fetch(sql.USERS, district_id, ids)
        ]

    async def orgs(self, district_id: str, ids: Iterable[str]) -> Mapping[str, OrgFacts]:
        """Shown orgs among `ids`."""
        rows = await self._driver.fetch(sql.ORGS, district_id, sorted(ids))
        return {row["sourced_id"]: OrgFacts(name=row["name"], type=row["kind"]) for row in rows}

    async def held(self, district_id: str, ids: Sequence[str]) -> Mapping[str, PersonHeld]:
        """What was concluded about `ids` last."""
        rows = await self._driver.fetch(sql.HELD, district_id, ids)
        return {row["person_id"]: _held(row) for row in rows}

    async def keep_people(
        self,
        district_id: str,
        conclusions: Sequence[PersonConclusion],
        *,
        revision: int,
        now: datetime,
    ) -> None:
        """Store conclusions, one per person."""
        rows = [_kept(one) for one in sorted(conclusions, key=lambda c: c.person_id)]
        if rows:
            await self._driver.execute(
                sql.KEEP_PEOPLE, district_id, revision, now, *map(list, zip(*rows, strict=True))
            )

    async def keep_causes(
        self, district_id: str, lines: Sequence[CauseLine], *, revision: int, at: datetime
    ) -> None:
        """Keep what the commit did, by correlation id."""
        await keep_causes(self._driver, district_id, lines, revision=revision, at=at)

    async def classes(self, district_id: str, ids: Sequence[str]) -> Sequence[Class]:
        """State of the shown classes among `ids`."""
        return [_class(row) for row in await self._driver.fetch(sql.CLASSES, district_id, ids)]

    async def class_hashes(self, district_id: str, ids: Sequence[str]) -> Mapping[str, bytes]:
        """Hash of the state emitted last, per class."""
        rows = await self._driver.fetch(sql.CLASS_HASHES, district_id, ids)
        return {row["class_id"]: row["state_hash"] for row in rows}

    async def keep_classes(
        self, district_id: str, hashes: Mapping[str, bytes], *, revision: int
    ) -> None:
        """Store the hashes of the states emitted."""
        ids = sorted(hashes)
        await self._driver.execute(
            sql.KEEP_CLASSES, district_id, revision, ids, [hashes[one] for one in ids]
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

    def emit_class_move(
        self, district_id: str, person_id: str, move: ClassMove, *, cause: Cause
    ) -> None:
        """Stage a change of class for the log."""
        self._emit(class_moved(person_id, move), district_id, cause)

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
        rows = await self._driver.fetch(statement, now, limit, now - BULK_WAITS_AT_MOST)
        marks = [
            DirtyMark(
                id=row["id"],
                cause=_cause(row["causation_id"], row["correlation_id"], row["origin"]),
                force=row["force"],
                merged_into=row.get("merged_into"),
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
        course_id=row["course_id"],
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
        attended=tuple(Seat(*seat) for seat in orjson.loads(row["seats"])),
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
        orjson.dumps([tuple(seat) for seat in one.attended]).decode(),
        one.emitted.correlation_id if one.emitted else None,
        one.step,
        one.stepped.correlation_id if one.stepped else None,
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
