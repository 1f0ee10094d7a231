"""`CopyReads` on PostgreSQL. Each statement is one snapshot, on the lines of vendors' reads."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from roster_publisher.adapters.postgres.lines import ReadLines
from roster_publisher.adapters.postgres.statements import Statement
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.adapters.postgres.view_sql import own_memberships
from roster_publisher.domain.access import Grant
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.records import Key
from roster_publisher.ports.copies import Presence

_MADE: Final = """
    SELECT created_at FROM roster_publisher.client WHERE district_id = $1 AND client_id = $2
"""
# Enrolments of one person; index on user_id. Some dozens of rows.
_ENROLMENTS: Final = """
    SELECT sourced_id, class_id FROM roster_publisher.object
    WHERE district_id = $1 AND user_id = $2 AND entity = 'enrollment' AND shown ORDER BY sourced_id
"""


class PostgresCopies:
    """`lines` are those of the vendors' reads."""

    def __init__(self, lines: ReadLines, vendors: PostgresVendors) -> None:
        self._lines = lines
        self._vendors = vendors

    async def given(self, district_id: str, client_id: str) -> tuple[Grant, datetime] | None:
        """The grant of a client of the district, and when the client was made."""
        client = await self._vendors.client(client_id)
        made = await self._lines.row(_MADE, district_id, client_id)
        return None if client is None or made is None else (client.grant, made["created_at"])

    async def records_of(self, district_id: str, person_id: str) -> Sequence[Key]:
        """What is about a person, and the classes they were put in."""
        rows = await self._lines.rows(_ENROLMENTS, district_id, person_id)
        classes = sorted({row["class_id"] for row in rows})
        return [
            Key("user", person_id),
            Key("demographics", person_id),
            *(Key("enrollment", row["sourced_id"]) for row in rows),
            *(Key("class", one) for one in classes),
        ]

    async def presence(self, query: CollectionQuery, ids: Sequence[str]) -> Mapping[str, Presence]:
        """Memberships of the grant's scopes, or of any where the whole district is seen."""
        statement = Statement()
        entity = query.collection.entity
        if query.is_scoped:
            mine, inside = own_memberships(query, statement), "bool_or(m.until_rev IS NULL)"
        else:
            mine, inside = f"m.district_id = {statement.bind(query.grant.district_id)}", "true"
        wanted = statement.bind(list(ids))
        # Few rows a record; index on the record.
        # house: no-district — `mine` begins with it
        sql = f"""
            SELECT m.sourced_id, min(m.since_stamp) AS since, {inside} AS inside
            FROM roster_publisher.scope_member m
            WHERE {mine} AND m.entity = '{entity}' AND m.sourced_id = ANY({wanted}::text[])
            GROUP BY m.sourced_id
        """
        return {
            row["sourced_id"]: Presence(since=row["since"], inside=row["inside"])
            for row in await self._lines.rows(sql, *statement.values)
        }
