"""`RosterReads`: what vendors read, as ready-made text; no row becomes an object here.

Uses autocommit reads: each statement is one snapshot, and a revision never changes once shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

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
from roster_publisher.domain.sorting import Place
from roster_publisher.domain.views import Stay
from roster_publisher.ports.reading import QueryTooLong

_REVISIONS: Final = """
    SELECT history_floor, revision FROM roster_publisher.district_revision WHERE district_id = $1
"""

# When users of a page's `agents` were in the grant's scopes. Few rows a user; index on the record.
_STAYS: Final = """
    SELECT m.sourced_id, m.since_rev, m.until_rev FROM roster_publisher.scope_member m
    WHERE m.district_id = $1 AND m.entity = 'user' AND m.sourced_id = ANY($3::text[])
      AND m.scope_id = ANY($2::text[])
"""

# Rows come ordered from the inner select and aggregates keep that order: sorting again would cost
# as much as the read.
_JOINED: Final = "SELECT convert_to(string_agg(p.body, ','), 'UTF8') AS body, count(*) AS rows"
_LAST: Final = "max(p.sourced_id) AS last, NULL AS last_key"
_LAST_SORTED: Final = """
    (array_agg(p.sourced_id))[count(*)::int] AS last,
    (array_agg(p.sort_key))[count(*)::int] AS last_key
"""


class PostgresReads:
    """Vendor reads on a few connections of the service's read pool.

    A statement that must look at every row for a field without index may take `slow_s`; then it
    raises `QueryTooLong`.
    """

    def __init__(
        self,
        database: Database,
        *,
        lines: int = 4,
        slow_s: float = 10.0,
    ) -> None:
        self.lines = self._lines = ReadLines(database, size=lines)
        self._slow_s = slow_s

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
            FROM ({_joined(query)} FROM ({rows}) AS p) AS j
            """,
            statement,
            query,
        )
        return _page(row, int(row["revision"])) if row["seen"] else None

    async def page_at(
        self, query: CollectionQuery, *, revision: int, after: Place | None, limit: int
    ) -> Page:
        """`limit` rows of `revision` behind `after`."""
        statement = Statement(limit, revision)
        columns = f"o.sourced_id, {body_of(query, statement)} AS body"
        rows = rows_of(query, columns, statement, revision="$2", after=after, limit="$1")
        row = await self._row(f"{_joined(query)} FROM ({rows}) AS p", statement, query)
        return _page(row, revision)

    async def place_at(
        self, query: CollectionQuery, *, revision: int, after: Place | None, skip: int
    ) -> Place | None:
        """The place of the `skip`th row behind `after`; reads narrow index entries only, where
        there is an index.
        """
        statement = Statement(skip - 1, revision)
        rows = rows_of(query, "o.sourced_id", statement, revision="$2", after=after)
        row = await self._found(f"{rows} OFFSET $1 LIMIT 1", statement, query)
        if row is None:
            return None
        return Place(sourced_id=row["sourced_id"], key=row["sort_key"] if query.sort else None)

    async def total(self, query: CollectionQuery, *, revision: int) -> int | None:
        """Rows of the query at `revision`, counted in one snapshot."""
        statement = Statement(revision)
        count = count_of(query, statement, revision="$1")
        if query.parents:
            seen = parents_seen(query, statement, revision="$1")
            count = f"SELECT CASE WHEN {seen} THEN ({count}) END"
        found = (await self._row(count, statement, query))[0]
        return None if found is None else int(found)

    async def single(
        self, query: CollectionQuery, sourced_id: str, *, revision: int | None = None
    ) -> bytes | None:
        """One object of `revision`, else of the newest; None where the grant sees none."""
        statement = Statement(sourced_id) if revision is None else Statement(sourced_id, revision)
        columns = f"o.sourced_id, convert_to({body_of(query, statement)}, 'UTF8') AS body"
        at = None if revision is None else "$2"
        rows = rows_of(query, columns, statement, revision=at, sourced_id="$1")
        row = await self._found(rows, statement, query)
        return None if row is None else bytes(row["body"])

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

    async def _row(self, sql: str, statement: Statement, query: CollectionQuery) -> asyncpg.Record:
        row = await self._found(sql, statement, query)
        assert row is not None  # noqa: S101 - aggregates without GROUP BY always give a row
        return row

    async def _found(
        self, sql: str, statement: Statement, query: CollectionQuery
    ) -> asyncpg.Record | None:
        if not query.unindexed:
            return await self._lines.row(sql, *statement.values)
        try:
            return await self._lines.slow_row(sql, *statement.values, within_s=self._slow_s)
        except asyncpg.QueryCanceledError as error:
            raise QueryTooLong(within_s=self._slow_s) from error


def _joined(query: CollectionQuery) -> str:
    return f"{_JOINED}, {_LAST if query.sort is None else _LAST_SORTED}"


def _page(row: asyncpg.Record, revision: int) -> Page:
    last = None if row["last"] is None else Place(sourced_id=row["last"], key=row["last_key"])
    return Page(revision=revision, body=row["body"] or b"", rows=row["rows"], last=last)
