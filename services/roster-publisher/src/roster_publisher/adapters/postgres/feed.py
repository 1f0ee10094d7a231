"""`ChangeFeed` on PostgreSQL. Each statement is one snapshot, on the lines of vendors' reads."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Final

from roster_publisher.adapters.postgres.feed_sql import spots_behind, told_columns, versions_of
from roster_publisher.adapters.postgres.lines import ReadLines
from roster_publisher.adapters.postgres.statements import Statement
from roster_publisher.domain.change_feed import Spot, Version, from_ms, to_ms
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.ports.feed import Stretch

# Two sizes, written into the text, so that plans know how little is wanted.
_FEW: Final = 200
_MANY: Final = 2_000


_DISTRICTS: Final = """
    SELECT district_id, revision, bulk_until FROM roster_publisher.district_revision
    WHERE district_id = ANY($1::text[])
"""


class PostgresFeed:
    """`lines` are those of the vendors' reads."""

    def __init__(self, lines: ReadLines) -> None:
        self._lines = lines

    async def after(self, queries: Sequence[CollectionQuery], spot: Spot, *, few: bool) -> Stretch:
        """The next spots behind `spot`, and the newest revision, in one snapshot."""
        most = _FEW if few else _MANY
        statement = Statement(
            queries[0].grant.district_id, from_ms(spot.stamp_ms), spot.order, spot.sourced_id
        )
        sql = spots_behind(queries, statement, most=most)
        rows = await self._lines.rows(sql, *statement.values)
        spots = [
            Spot(to_ms(row["stamp"]), row["place"], row["sourced_id"])
            for row in rows
            if row["stamp"] is not None
        ]
        first = rows[0]
        return Stretch(
            spots=spots,
            full=len(spots) == most,
            revision=first["revision"] or 0,
            newest_ms=0 if first["newest"] is None else to_ms(first["newest"]),
            purged_ms=0 if first["purged_stamp"] is None else to_ms(first["purged_stamp"]),
            bulk_until=first["bulk_until"],
        )

    async def versions(self, query: CollectionQuery, ids: Sequence[str]) -> Mapping[str, Version]:
        """Records among `ids` as the grant sees them now."""
        statement = Statement(list(ids))
        sql = versions_of(query, told_columns(query, statement), statement)
        return {
            row["sourced_id"]: Version(
                stamp_ms=to_ms(row["stamp"]),
                status=row["status"],
                merged_into=row["merged_into"],
                body=bytes(row["body"]),
            )
            for row in await self._lines.rows(sql, *statement.values)
        }

    async def newest(self, districts: Set[str]) -> Mapping[str, tuple[int, datetime | None]]:
        """By district, the newest revision and when its last bulk ends or ended."""
        rows = await self._lines.rows(_DISTRICTS, sorted(districts))
        return {row["district_id"]: (row["revision"], row["bulk_until"]) for row in rows}
