"""Suggestions in PostgreSQL: in the caller's transaction, and read at the desk."""

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from roster_common.runtime.database import Database
from sis_ingest.domain.entities import ENTITIES, Entity
from sis_ingest.domain.match_keys import match_keys
from sis_ingest.domain.suggestions import MOST_NEAR, Alike, Suggestion, SuggestionState, alike

_COLUMNS: Final = """suggestion_id::text, district_id, entity, one_id, other_id, rule, state,
    suggested_at, decided_by, decided_at"""

# Purpose: keep pairs that were never suggested. Rows: few. Index: suggestion_once.
_ADD: Final = """
INSERT INTO sis_ingest.suggestion
    (district_id, suggestion_id, entity, one_id, other_id, rule, state, suggested_at)
SELECT $1, s.* FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::timestamptz[]) AS s
ON CONFLICT ON CONSTRAINT suggestion_once DO NOTHING
RETURNING suggestion_id::text
"""

# Purpose: keep decisions, also about pairs never suggested. Rows: few. Index: suggestion_once.
_DECIDE: Final = f"""
INSERT INTO sis_ingest.suggestion AS s
    (district_id, suggestion_id, entity, one_id, other_id, rule, state, suggested_at, decided_by,
     decided_at)
SELECT $1, d.*, $9, $10 FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::text[], $8::timestamptz[]) AS d
ON CONFLICT ON CONSTRAINT suggestion_once DO UPDATE SET
    state = excluded.state, decided_by = excluded.decided_by, decided_at = excluded.decided_at
RETURNING {_COLUMNS}
"""

# Purpose: one suggestion. Rows: 1. Index: primary key.
_GET: Final = f"""
SELECT {_COLUMNS} FROM sis_ingest.suggestion WHERE district_id = $1 AND suggestion_id = $2
"""

# Purpose: the open suggestions among some ids. Rows: few. Index: suggestion_once.
_OPEN_AMONG: Final = f"""
SELECT {_COLUMNS} FROM sis_ingest.suggestion
WHERE district_id = $1 AND entity = $2 AND one_id = ANY($3::text[])
  AND other_id = ANY($3::text[]) AND state = 'open'
ORDER BY suggested_at, suggestion_id
"""

# Purpose: who is called as these people and was born on the same day. Rows: few. Index: primary
# key, then resolved_record_name_key; only for those whose birth date is known. Of a name and day
# that many share no more are read than tell so. What is no key of the index meant stands outside of
# OFFSET 0: while a first load fills the tables, a planner who sees it takes another index by it,
# and reads everybody for each.
_BORN: Final = """coalesce(
    (SELECT d.data ->> 'birthDate' FROM sis_ingest.resolved_record d
     WHERE d.district_id = $1 AND d.entity = 'demographics' AND d.entity_id = {0}.entity_id),
    {0}.data -> 'metadata' ->> 'birthDate')"""
_SAME: Final = f"""
SELECT me.entity_id AS one_id, me.data AS one, other.entity_id AS other_id, other.data AS other
FROM unnest($2::text[]) AS k(entity_id)
CROSS JOIN LATERAL (
    SELECT m.entity_id, m.name_key, m.data, {_BORN.format("m")} AS born
    FROM sis_ingest.resolved_record m
    WHERE m.district_id = $1 AND m.entity = 'user' AND m.entity_id = k.entity_id OFFSET 0) AS me
CROSS JOIN LATERAL (
    SELECT o.entity_id, o.data FROM (
        SELECT entity, entity_id, data FROM sis_ingest.resolved_record
        WHERE district_id = $1 AND name_key = me.name_key OFFSET 0) AS o
    WHERE o.entity = 'user' AND o.entity_id <> me.entity_id AND {_BORN.format("o")} = me.born
      AND EXISTS (SELECT FROM sis_ingest.crosswalk c WHERE c.district_id = $1
                  AND c.entity_id = o.entity_id AND c.entity = 'user' AND c.valid_to IS NULL
                  OFFSET 0)
    LIMIT {MOST_NEAR + 1}) AS other
WHERE me.name_key IS NOT NULL AND me.born IS NOT NULL
"""

# Purpose: a page of suggestions, newest first; how many there are. Rows: one page.
# Index: suggestion_page.
_PAGE: Final = f"""
SELECT {_COLUMNS} FROM sis_ingest.suggestion
WHERE ($1::text[] IS NULL OR district_id = ANY($1)) AND ($2::text IS NULL OR state = $2)
ORDER BY suggested_at DESC, suggestion_id LIMIT $3 OFFSET $4
"""
_COUNT: Final = """
SELECT count(*) FROM sis_ingest.suggestion
WHERE ($1::text[] IS NULL OR district_id = ANY($1)) AND ($2::text IS NULL OR state = $2)
"""

# Purpose: one suggestion. Rows: 1. Index: suggestion_suggestion_id_key.
# house: no-district — the id is unique, and the door learns from it which district is asked of
_ANY: Final = f"SELECT {_COLUMNS} FROM sis_ingest.suggestion WHERE suggestion_id = $1"


class PostgresSuggestions:
    """`ports.Suggestions`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def add(self, suggestions: Sequence[Suggestion]) -> Sequence[Suggestion]:
        """See the port."""
        rows = await self._driver.fetch(
            _ADD,
            suggestions[0].district_id,
            *_columns(suggestions, "open"),
        )
        kept = {row["suggestion_id"] for row in rows}
        return [one for one in suggestions if one.suggestion_id in kept]

    async def same_name_and_birth_date(
        self, district_id: str, person_ids: Sequence[str]
    ) -> Sequence[Alike]:
        """See the port."""
        rows = await self._driver.fetch(_SAME, district_id, list(person_ids))
        near = Counter(row["one_id"] for row in rows)
        return [
            alike("user", row["one_id"], row["other_id"], "same_name_and_birth_date")
            for row in rows
            if near[row["one_id"]] <= MOST_NEAR and _may_be_one(row["one"], row["other"])
        ]

    async def get(self, district_id: str, suggestion_id: str) -> Suggestion | None:
        """See the port."""
        return _one(await self._driver.fetchrow(_GET, district_id, suggestion_id))

    async def decide(
        self, suggestion: Suggestion, state: SuggestionState, *, decided_by: str, now: datetime
    ) -> Suggestion:
        """See the port."""
        (decided,) = await self.decide_all([suggestion], state, decided_by=decided_by, now=now)
        return decided

    async def decide_all(
        self,
        suggestions: Sequence[Suggestion],
        state: SuggestionState,
        *,
        decided_by: str,
        now: datetime,
    ) -> Sequence[Suggestion]:
        """See the port."""
        if not suggestions:
            return ()
        rows = await self._driver.fetch(
            _DECIDE,
            suggestions[0].district_id,
            *_columns(suggestions, state),
            decided_by,
            now,
        )
        return [_suggestion(row) for row in rows]

    async def open_among(
        self, district_id: str, entity: Entity, ids: Sequence[str]
    ) -> Sequence[Suggestion]:
        """See the port."""
        rows = await self._driver.fetch(_OPEN_AMONG, district_id, entity, list(ids))
        return [_suggestion(row) for row in rows]


class PostgresSuggestionDesk:
    """`ports.SuggestionDesk`, on the raw read pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, districts: Collection[str] | None, state: str | None, *, limit: int, offset: int
    ) -> tuple[int, Sequence[Suggestion]]:
        """See the port."""
        pool = await self._database.pool()
        wanted = None if districts is None else list(districts)
        total = await pool.fetchval(_COUNT, wanted, state)
        rows = await pool.fetch(_PAGE, wanted, state, limit, offset)
        return total, [_suggestion(row) for row in rows]

    async def get(self, suggestion_id: str) -> Suggestion | None:
        """See the port."""
        try:
            wanted = uuid.UUID(suggestion_id)
        except ValueError:
            return None
        return _one(await (await self._database.pool()).fetchrow(_ANY, wanted))


def _may_be_one(one: Any, other: Any) -> bool:
    """Records of one kind, unless the state tells them apart."""
    first, second = match_keys("user", one), match_keys("user", other)
    states = {first.state_id, second.state_id} - {None}
    return first.kind == second.kind and len(states) < 2


def _columns(suggestions: Sequence[Suggestion], state: SuggestionState) -> Sequence[Sequence[Any]]:
    return [
        [one.suggestion_id for one in suggestions],
        [one.entity for one in suggestions],
        [one.one_id for one in suggestions],
        [one.other_id for one in suggestions],
        [one.rule for one in suggestions],
        [state] * len(suggestions),
        [one.suggested_at for one in suggestions],
    ]


def _one(row: asyncpg.Record | None) -> Suggestion | None:
    return None if row is None else _suggestion(row)


def _suggestion(row: Any) -> Suggestion:
    return Suggestion(
        **{
            **{name: row[name] for name in _FIELDS},
            "entity": ENTITIES[row["entity"]],
        }
    )


_FIELDS: Final = (
    "suggestion_id",
    "district_id",
    "one_id",
    "other_id",
    "rule",
    "state",
    "suggested_at",
    "decided_by",
    "decided_at",
)
