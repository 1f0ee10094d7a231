"""`RosterReads`: what vendors read, as ready-made text; no row becomes an object here.

Uses autocommit reads: each statement is one snapshot, and a revision never changes once shown.
"""

from collections.abc import Iterable
from typing import Final

import asyncpg

from roster_common.runtime.database import Database
from roster_publisher.adapters.postgres.read_sql import (
    Statement,
    at_revision,
    body_of,
    conditions,
)
from roster_publisher.domain.access import Grant
from roster_publisher.domain.queries import CollectionQuery, Page

_ACQUIRE_TIMEOUT_S: Final = 10.0
_READ_TIMEOUT_S: Final = 35.0

_REVISIONS: Final = """
    SELECT history_floor, revision FROM roster_publisher.district_revision WHERE district_id = $1
"""

# Users of a page's `agents` that the grant's schools hold. A row per user; scope_member's key.
_VISIBLE_USERS: Final = """
    SELECT DISTINCT m.sourced_id FROM roster_publisher.scope_member m
    WHERE m.district_id = $1 AND m.scope_id = ANY($2::text[]) AND m.entity = 'user'
      AND m.sourced_id = ANY($3::text[]) AND m.until_rev IS NULL
"""

# Rows come ordered from the inner select and string_agg keeps that order: sorting again would
# cost as much as the read.
_JOINED: Final = """
    SELECT convert_to(string_agg(p.body, ','), 'UTF8') AS body, count(*) AS rows,
           max(p.sourced_id) AS last
"""


class PostgresReads:
    """Vendor reads on the service's read pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current_page(self, query: CollectionQuery, *, limit: int) -> Page:
        """The first page of the newest revision: page and revision in one snapshot."""
        statement = Statement(limit, query.grant.district_id)
        where = conditions(query, statement, revision=None)
        row = await self._row(
            f"""
            SELECT j.*, coalesce((SELECT d.revision FROM roster_publisher.district_revision d
                                  WHERE d.district_id = $2), 0) AS revision
            FROM ({_JOINED} FROM (
                SELECT o.sourced_id, {body_of(query)} AS body FROM roster_publisher.object o
                WHERE {where} AND o.shown ORDER BY o.sourced_id LIMIT $1) AS p) AS j
            """,
            statement,
        )
        return _page(row, int(row["revision"]))

    async def page_at(
        self, query: CollectionQuery, *, revision: int, after: str, limit: int
    ) -> Page:
        """`limit` rows of `revision` behind the id `after`."""
        statement = Statement(limit, revision, after)
        rows = at_revision(
            query,
            f"o.sourced_id, {body_of(query)} AS body",
            after="$3",
            limit="$1",
            revision="$2",
            statement=statement,
        )
        row = await self._row(
            f"{_JOINED} FROM (SELECT * FROM ({rows}) AS u ORDER BY u.sourced_id LIMIT $1) AS p",
            statement,
        )
        return _page(row, revision)

    async def id_at(
        self, query: CollectionQuery, *, revision: int, after: str, skip: int
    ) -> str | None:
        """The id of the `skip`th row behind `after`; reads narrow index entries only."""
        statement = Statement(skip - 1, revision, after)
        rows = at_revision(
            query, "o.sourced_id", after="$3", limit=None, revision="$2", statement=statement
        )
        pool = await self._database.pool()
        async with pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
            found = await connection.fetchval(
                f"SELECT u.sourced_id FROM ({rows}) AS u ORDER BY u.sourced_id OFFSET $1 LIMIT 1",
                *statement.values,
                timeout=_READ_TIMEOUT_S,
            )
        return None if found is None else str(found)

    async def total(self, query: CollectionQuery, *, revision: int) -> int:
        """Rows of the query at `revision`, counted in one snapshot."""
        statement = Statement(revision)
        where = conditions(query, statement, revision="$1")
        # house: no-district — `conditions` begins with it
        row = await self._row(
            f"""
            SELECT (SELECT count(*) FROM roster_publisher.object o
                    WHERE {where} AND o.shown AND o.revision <= $1)
                 + (SELECT count(*) FROM roster_publisher.object_history o
                    WHERE {where} AND o.rev_from <= $1 AND o.rev_to > $1) AS total
            """,
            statement,
        )
        return int(row["total"])

    async def single(self, query: CollectionQuery, sourced_id: str) -> bytes | None:
        """One object, or None where the grant sees none."""
        statement = Statement(sourced_id)
        where = conditions(query, statement, revision=None)
        pool = await self._database.pool()
        async with pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
            # house: no-district — `conditions` begins with it
            body = await connection.fetchval(
                f"""
                SELECT convert_to({body_of(query)}, 'UTF8') FROM roster_publisher.object o
                WHERE {where} AND o.sourced_id = $1 AND o.shown
                """,
                *statement.values,
                timeout=_READ_TIMEOUT_S,
            )
        return None if body is None else bytes(body)

    async def revisions(self, district_id: str) -> tuple[int, int]:
        """(oldest revision still whole, newest revision); zeros for a district never seen."""
        pool = await self._database.pool()
        async with pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
            row = await connection.fetchrow(_REVISIONS, district_id, timeout=_READ_TIMEOUT_S)
        return (0, 0) if row is None else (row["history_floor"], row["revision"])

    async def visible_users(self, grant: Grant, ids: Iterable[str]) -> frozenset[str]:
        """Users among `ids` that a grant of schools sees."""
        pool = await self._database.pool()
        async with pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
            rows = await connection.fetch(
                _VISIBLE_USERS,
                grant.district_id,
                list(grant.school_ids or ()),
                sorted(ids),
                timeout=_READ_TIMEOUT_S,
            )
        return frozenset(row[0] for row in rows)

    async def _row(self, sql: str, statement: Statement) -> asyncpg.Record:
        pool = await self._database.pool()
        async with pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
            row = await connection.fetchrow(sql, *statement.values, timeout=_READ_TIMEOUT_S)
        assert row is not None  # noqa: S101 - aggregates without GROUP BY always give a row
        return row


def _page(row: asyncpg.Record, revision: int) -> Page:
    return Page(revision=revision, body=row["body"] or b"", rows=row["rows"], last=row["last"])
