"""Roster state in PostgreSQL: tables person and class. Written as sets, raw driver."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import asyncpg

from directory_sync.adapters.postgres.stored import dump, hash_of, load_class, load_person
from directory_sync.domain.fact import Cause
from directory_sync.domain.ids import DistrictId, PersonId
from directory_sync.domain.person import Person, RosterClass
from directory_sync.domain.work import ClassChange, PersonChange, Review

# Rows: one batch of the log (<= 500), by primary key. Returns the persons whose content differs,
# so that a replay marks nobody.
_PUT_PERSONS = """
    INSERT INTO directory_sync.person AS p
        (district_id, person_id, state, content_hash, deleted, review_on,
         correlation_id, causation_id, origin, changed_at)
    SELECT $1, r.person_id, r.state::jsonb, r.content_hash, r.state IS NULL, r.review_on,
           r.correlation_id, r.causation_id, r.origin, $9
    FROM unnest($2::text[], $3::text[], $4::bytea[], $5::date[], $6::text[], $7::text[], $8::text[])
        AS r(person_id, state, content_hash, review_on, correlation_id, causation_id, origin)
    ORDER BY r.person_id
    ON CONFLICT (district_id, person_id) DO UPDATE SET
        state = excluded.state, content_hash = excluded.content_hash, deleted = excluded.deleted,
        review_on = excluded.review_on, correlation_id = excluded.correlation_id,
        causation_id = excluded.causation_id, origin = excluded.origin,
        changed_at = excluded.changed_at
    WHERE p.content_hash IS DISTINCT FROM excluded.content_hash
    RETURNING p.person_id
"""
_PUT_CLASSES = """
    INSERT INTO directory_sync.class AS c
        (district_id, class_id, state, content_hash, deleted, review_on,
         correlation_id, causation_id, origin, changed_at)
    SELECT $1, r.class_id, r.state::jsonb, r.content_hash, r.state IS NULL, r.review_on,
           r.correlation_id, r.causation_id, r.origin, $9
    FROM unnest($2::text[], $3::text[], $4::bytea[], $5::date[], $6::text[], $7::text[], $8::text[])
        AS r(class_id, state, content_hash, review_on, correlation_id, causation_id, origin)
    ORDER BY r.class_id
    ON CONFLICT (district_id, class_id) DO UPDATE SET
        state = excluded.state, content_hash = excluded.content_hash, deleted = excluded.deleted,
        review_on = excluded.review_on, correlation_id = excluded.correlation_id,
        causation_id = excluded.causation_id, origin = excluded.origin,
        changed_at = excluded.changed_at
    WHERE c.content_hash IS DISTINCT FROM excluded.content_hash
    RETURNING c.class_id
"""
# Rows: those whose date has come, <= $3, index person_review.
_DUE = """
    SELECT state::text AS state, correlation_id, causation_id FROM directory_sync.person
    WHERE district_id = $1 AND review_on <= $2 AND NOT deleted
    ORDER BY review_on LIMIT $3 FOR UPDATE
"""
_SET_REVIEW = """
    UPDATE directory_sync.person p SET review_on = r.review_on
    FROM unnest($2::text[], $3::date[]) AS r(person_id, review_on)
    WHERE p.district_id = $1 AND p.person_id = r.person_id
"""
# Rows: those that begin or end today, <= $3, index class_review.
_DUE_CLASSES = """
    SELECT state::text AS state, correlation_id, causation_id FROM directory_sync.class
    WHERE district_id = $1 AND review_on <= $2 AND NOT deleted
    ORDER BY review_on LIMIT $3 FOR UPDATE
"""
_SET_CLASS_REVIEW = """
    UPDATE directory_sync.class c SET review_on = r.review_on
    FROM unnest($2::text[], $3::date[]) AS r(class_id, review_on)
    WHERE c.district_id = $1 AND c.class_id = r.class_id
"""
_ERASED = b""


class PostgresPeople:
    """Persons and classes, inside one transaction."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def put_persons(
        self, district_id: DistrictId, changes: Sequence[PersonChange], *, now: datetime
    ) -> Sequence[PersonId]:
        """Store; returns those whose content is different from before."""
        states = [None if c.person is None else dump(c.person) for c in changes]
        rows = await self._driver.fetch(
            _PUT_PERSONS,
            district_id,
            [c.person_id for c in changes],
            states,
            [_ERASED if state is None else hash_of(state) for state in states],
            [c.review_on for c in changes],
            *_causes([c.cause for c in changes]),
            now,
        )
        return [PersonId(row["person_id"]) for row in rows]

    async def put_classes(
        self, district_id: DistrictId, changes: Sequence[ClassChange], *, now: datetime
    ) -> Sequence[str]:
        """Store; returns the ids of classes that changed."""
        states = [None if c.roster_class is None else dump(c.roster_class) for c in changes]
        rows = await self._driver.fetch(
            _PUT_CLASSES,
            district_id,
            [c.class_id for c in changes],
            states,
            [_ERASED if state is None else hash_of(state) for state in states],
            [c.review_on for c in changes],
            *_causes([c.cause for c in changes]),
            now,
        )
        return [str(row["class_id"]) for row in rows]

    async def due_for_review(
        self, district_id: DistrictId, *, today: date, limit: int
    ) -> Sequence[tuple[Person, Cause]]:
        """Persons whose review date has come; the origin is the calendar, not the last event."""
        rows = await self._driver.fetch(_DUE, district_id, today, limit)
        return [(load_person(row["state"]), _scheduled(row)) for row in rows]

    async def set_review(self, district_id: DistrictId, reviews: Sequence[Review]) -> None:
        """Store the next review dates."""
        await self._driver.execute(
            _SET_REVIEW,
            district_id,
            [r.person_id for r in reviews],
            [r.review_on for r in reviews],
        )

    async def due_classes(
        self, district_id: DistrictId, *, today: date, limit: int
    ) -> Sequence[tuple[RosterClass, Cause]]:
        """Classes whose review date has come, locked until the transaction ends."""
        rows = await self._driver.fetch(_DUE_CLASSES, district_id, today, limit)
        return [(load_class(row["state"]), _scheduled(row)) for row in rows]

    async def set_class_review(
        self, district_id: DistrictId, reviews: Mapping[str, date | None]
    ) -> None:
        """Store the classes' next review dates."""
        await self._driver.execute(
            _SET_CLASS_REVIEW, district_id, list(reviews), list(reviews.values())
        )


def _scheduled(row: asyncpg.Record) -> Cause:
    """The last event's ids; the origin is the calendar."""
    return Cause(
        correlation_id=row["correlation_id"], causation_id=row["causation_id"], origin="schedule"
    )


def _causes(causes: Sequence[Cause]) -> tuple[list[str], list[str | None], list[str]]:
    return (
        [c.correlation_id for c in causes],
        [c.causation_id for c in causes],
        [c.origin for c in causes],
    )
