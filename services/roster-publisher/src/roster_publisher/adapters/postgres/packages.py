"""`PackageReads` on PostgreSQL. Each statement is one snapshot; a shown revision never changes."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import orjson

from roster_publisher.adapters.postgres.lines import ReadLines
from roster_publisher.adapters.postgres.read_sql import rows_of
from roster_publisher.adapters.postgres.statements import Statement, written_over
from roster_publisher.adapters.postgres.view_sql import viewed_rows
from roster_publisher.domain.csv_rows import GonePart
from roster_publisher.domain.fragments import stamp_text
from roster_publisher.domain.parts import Part
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.ports.packing import Edition, Standing

_EDITION: Final = """
    SELECT revision, stamp FROM roster_publisher.district_revision WHERE district_id = $1
"""
# A row per part that went; the latest of those that went more than once. Primary key.
_GONE: Final = """
    SELECT DISTINCT ON (g.user_id, g.part_id)
           g.user_id, g.part_id, g.file, g.org_id, g.cells::text AS cells, g.stamp, g.revision
    FROM roster_publisher.gone_part g
    WHERE g.district_id = $1 AND g.user_id = ANY($2::text[]) AND g.stamp > $3 AND g.revision <= $4
    ORDER BY g.user_id, g.part_id, g.revision DESC
"""
_NEEDS: Final = "o.sourced_id, o.course_id, o.school_id, o.term_ids"


class PostgresPackages:
    """Reads on the lines that vendors' reads use."""

    def __init__(self, lines: ReadLines) -> None:
        self._lines = lines

    async def edition(self, district_id: str) -> Edition:
        """The newest."""
        row = await self._lines.row(_EDITION, district_id)
        return Edition(revision=0, stamp=None) if row is None else Edition(**dict(row))

    async def standing(
        self, query: CollectionQuery, ids: Collection[str], *, revision: int
    ) -> Sequence[Standing]:
        """Those of `ids` that the grant sees and that are active."""
        statement = Statement(revision, sorted(ids))
        rows = await self._lines.rows(_standing(query, statement), *statement.values)
        return [Standing(**dict(row)) for row in rows]

    async def metadata_names(
        self, query: CollectionQuery, *, revision: int, most: int
    ) -> Sequence[str]:
        """Names of metadata that its records have, in order; looks at every record."""
        if not query.grant.allows("metadata"):
            return []
        statement = Statement(revision, most)
        rows = rows_of(query, "o.sourced_id, o.metadata", statement, revision="$1")
        found = await self._lines.rows(
            f"""
            SELECT DISTINCT k.name FROM ({rows}) AS r
            CROSS JOIN LATERAL jsonb_object_keys(
                ('{{' || ltrim(r.metadata, ',') || '}}')::jsonb -> 'metadata') AS k(name)
            WHERE r.metadata <> '' ORDER BY 1 LIMIT $2
            """,
            *statement.values,
        )
        return [row["name"] for row in found]

    async def gone_parts(
        self, district_id: str, users: Collection[str], *, since: datetime, revision: int
    ) -> Mapping[str, Sequence[GonePart]]:
        """By user, parts that went after `since`, each once, at its latest."""
        found: dict[str, list[GonePart]] = {}
        for row in await self._lines.rows(_GONE, district_id, sorted(users), since, revision):
            part = Part(
                file=row["file"],
                part_id=row["part_id"],
                org_id=row["org_id"],
                cells=orjson.loads(row["cells"]),
            )
            found.setdefault(row["user_id"], []).append(
                GonePart(part=part, stamp=stamp_text(row["stamp"]), revision=row["revision"])
            )
        return found


def _standing(query: CollectionQuery, statement: Statement) -> str:
    """A select at the revision $1 among the ids $2."""
    if query.is_scoped:
        found = 'SELECT t.id COLLATE "C" AS sourced_id FROM unnest($2::text[]) AS t(id)'
        rows = viewed_rows(
            query, statement, revision="$1", after=None, sourced_id=None, within=None, found=found
        )
        return f"SELECT {_NEEDS} FROM {rows} WHERE o.status = 'active'"
    district, entity = query.grant.district_id, query.collection.entity
    replaced = written_over("o", "$1", statement, district=district, entity=entity)
    mine = f"o.district_id = {statement.bind(district)} AND o.entity = '{entity}'"
    among = f"{mine} AND o.sourced_id = ANY($2::text[]) AND o.status = 'active'"
    # house: no-district — `among` begins with it
    return f"""
        SELECT {_NEEDS} FROM roster_publisher.object o
        WHERE {among} AND o.shown AND o.revision <= $1
        UNION ALL
        SELECT {_NEEDS} FROM roster_publisher.object_history o WHERE {among} AND {replaced}
    """
