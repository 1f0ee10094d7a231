"""`RosterReads`: what vendors read, as ready-made text; no row becomes an object here.

Uses autocommit reads: each statement is one snapshot, and a revision never changes once shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import asyncpg

from roster_common.runtime.database import Database
from roster_publisher.adapters.postgres.lines import ReadLines
from roster_publisher.adapters.postgres.read_sql import (
    body_of,
    count_of,
    parents_seen,
    rows_of,
)
from roster_publisher.adapters.postgres.statements import Statement
from roster_publisher.domain.access import Grant
from roster_publisher.domain.queries import CollectionQuery, Page
from roster_publisher.domain.views import Stay

_REVISIONS: Final = """
    SELECT history_floor, revision FROM roster_publisher.district_revision WHERE district_id = $1
"""

# When users of a page's `agents` were in the grant's scopes. Few rows a user; index on the record.
_STAYS: Final = """
    SELECT m.sourced_id, m.since_rev, m.until_rev FROM roster_publisher.scope_member m
    WHERE m.district_id = $1 AND m.entity = 'user' AND m.sourced_id = ANY($3::text[])
      AND m.scope_id = ANY($2::text[])
"""

# Rows come ordered from the inner select and string_agg keeps that order: sorting again would
# cost as much as the read.
_JOINED: Final = """
    SELECT convert_to(string_agg(p.body, ','), 'UTF8') AS body, count(*) AS rows,
           max(p.sourced_id) AS last
"""


class PostgresReads:
    """Vendor reads on a few connections of the service's read pool."""

    def __init__(self, database: Database, *, lines: int = 4) -> None:
        self.lines = self._lines = ReadLines(database, size=lines)

    async def current_page(self, query: CollectionQuery, *, limit: int) -> Page | None:
        """The first page of the newest revision: parents, page and revision in one snapshot."""
        statement = Statement(limit, query.grant.district_id)
        columns = f"o.sourced_id, {body_of(query, statement)} AS body"
        rows = rows_of(query, columns, statement, revision=None, limit="$1")
        row = await self._row(
            f"""
            SELECT j.*, coalesce((SELECT d.revision FROM roster_publisher.district_revision d
                                  WHERE d.district_id = $2), 0) AS revision,
                   {parents_seen(query, statement, revision=None)} AS seen
            FROM ({_JOINED} FROM ({rows}) AS p) AS j
            """,
            statement,
        )
        return _page(row, int(row["revision"])) if row["seen"] else None

    async def page_at(
        self, query: CollectionQuery, *, revision: int, after: str, limit: int
    ) -> Page:
        """`limit` rows of `revision` behind the id `after`."""
        statement = Statement(limit, revision, after)
        columns = f"o.sourced_id, {body_of(query, statement)} AS body"
        rows = rows_of(query, columns, statement, revision="$2", after="$3", limit="$1")
        return _page(await self._row(f"{_JOINED} FROM ({rows}) AS p", statement), revision)

    async def id_at(
        self, query: CollectionQuery, *, revision: int, after: str, skip: int
    ) -> str | None:
        """The id of the `skip`th row behind `after`; reads narrow index entries only."""
        statement = Statement(skip - 1, revision, after)
        rows = rows_of(query, "o.sourced_id", statement, revision="$2", after="$3")
        found = await self._value(f"{rows} OFFSET $1 LIMIT 1", statement)
        return None if found is None else str(found)

    async def total(self, query: CollectionQuery, *, revision: int) -> int | None:
        """Rows of the query at `revision`, counted in one snapshot."""
        statement = Statement(revision)
        count = count_of(query, statement, revision="$1")
        if query.parents:
            seen = parents_seen(query, statement, revision="$1")
            count = f"SELECT CASE WHEN {seen} THEN ({count}) END"
        found = await self._value(count, statement)
        return None if found is None else int(found)

    async def single(self, query: CollectionQuery, sourced_id: str) -> bytes | None:
        """One object, or None where the grant sees none."""
        statement = Statement(sourced_id)
        body = f"convert_to({body_of(query, statement)}, 'UTF8')"
        rows = rows_of(query, body, statement, revision=None, sourced_id="$1")
        found = await self._value(rows, statement)
        return None if found is None else bytes(found)

    async def revisions(self, district_id: str) -> tuple[int, int]:
        """(oldest revision still whole, newest revision); zeros for a district never seen."""
        row = await self._lines.row(_REVISIONS, district_id)
        return (0, 0) if row is None else (row["history_floor"], row["revision"])

    async def stays(self, grant: Grant, ids: Iterable[str]) -> Mapping[str, Sequence[Stay]]:
        """When users among `ids` were in a grant's scopes."""
        scopes = list(grant.scope_ids)
        rows = await self._lines.rows(_STAYS, grant.district_id, scopes, sorted(ids))
        found: dict[str, list[Stay]] = {}
        for sourced_id, since, until in rows:
            found.setdefault(sourced_id, []).append((since, until))
        return found

    async def close(self) -> None:
        """Give the connections back."""
        await self._lines.close()

    async def _row(self, sql: str, statement: Statement) -> asyncpg.Record:
        row = await self._lines.row(sql, *statement.values)
        assert row is not None  # noqa: S101 - aggregates without GROUP BY always give a row
        return row

    async def _value(self, sql: str, statement: Statement) -> Any:
        row = await self._lines.row(sql, *statement.values)
        return None if row is None else row[0]


def _page(row: asyncpg.Record, revision: int) -> Page:
    return Page(revision=revision, body=row["body"] or b"", rows=row["rows"], last=row["last"])
