"""`GrantTrials` on PostgreSQL: what a grant would show, counted by the statements that read it.

Rules that are no scopes yet are filled in a transaction that is rolled back, so that nothing of the
trial stays. The district's publication waits as long, as it does for a rule that is new.
"""

from collections.abc import Collection, Mapping, Set
from datetime import datetime
from typing import Final

import asyncpg

from roster_common.runtime.database import Database
from roster_publisher.adapters.postgres.read_sql import rows_of
from roster_publisher.adapters.postgres.scope_backfill import fill_rules
from roster_publisher.adapters.postgres.statements import Statement
from roster_publisher.domain.access import Grant
from roster_publisher.domain.administration import Difference
from roster_publisher.domain.change_feed import FED
from roster_publisher.domain.collections import Collection as Listed
from roster_publisher.domain.filters import Filter, parse_filter
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.records import Entity
from roster_publisher.domain.v1p1 import v1p1_scopes

_NOBODY: Final = "SELECT NULL::text AS sourced_id WHERE false"
# Ids of two views, as large as the district at most.
_COUNTS: Final = """
    WITH a AS MATERIALIZED ({before}), b AS MATERIALIZED ({after})
    SELECT (SELECT count(*) FROM a) AS before, (SELECT count(*) FROM b) AS after,
           (SELECT count(*) FROM a JOIN b ON a.sourced_id = b.sourced_id) AS both
"""

# Some ids an operator has typed; primary key.
_KNOWN: Final = """
    SELECT sourced_id FROM roster_publisher.object
    WHERE district_id = $1 AND entity = $2 AND sourced_id = ANY($3::text[])
      AND shown AND status = 'active'
"""


class _TakenBackError(Exception):
    """Ends a trial, so that its transaction is rolled back."""


class PostgresGrantTrials:
    """Reads, and writes that never stay."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def differences(
        self, before: Grant | None, after: Grant | None, *, now: datetime
    ) -> Mapping[str, Difference]:
        """By path of a collection, between two grants of one district; None sees nothing."""
        found: dict[str, Difference] = {}
        try:
            async with self._database.begin() as tx:
                driver: asyncpg.Connection = await tx.driver()
                if after is not None and after.rules:
                    await fill_rules(driver, after.district_id, after.rules, now=now)
                for collection in FED:
                    found[collection.path] = await _difference(driver, collection, before, after)
                raise _TakenBackError
        except _TakenBackError:
            return found

    async def unknown(self, district_id: str, entity: Entity, ids: Collection[str]) -> Set[str]:
        """Those of `ids` that no active record of the district has."""
        async with self._database.begin() as tx:
            rows = await (await tx.driver()).fetch(_KNOWN, district_id, entity, list(ids))
        return set(ids) - {row["sourced_id"] for row in rows}


async def _difference(
    driver: asyncpg.Connection, collection: Listed, before: Grant | None, after: Grant | None
) -> Difference:
    statement = Statement()
    sql = _COUNTS.format(
        before=_ids(before, collection, statement), after=_ids(after, collection, statement)
    )
    row = await driver.fetchrow(sql, *statement.values)
    assert row is not None  # noqa: S101 - a select without FROM gives its row
    return Difference(before=row["before"], after=row["after"], both=row["both"])


def _ids(grant: Grant | None, collection: Listed, statement: Statement) -> str:
    if grant is None or not grant.token_scopes & (collection.scopes | v1p1_scopes(collection)):
        return _NOBODY
    query = CollectionQuery(grant=grant, collection=collection, filter=_active(grant, collection))
    return rows_of(query, "o.sourced_id", statement, revision=None)


def _active(grant: Grant, collection: Listed) -> Filter:
    return parse_filter("status='active'", collection.entity, grant)
