"""Builds the statements of the change feed. Text comes from this module only; values are bound.

Where something may stand: a record's newest version stands at its own stamp, or where it entered or
left the grant's view, which is a membership's beginning or end. All three are read in the order of
their stamps from an index, so what is read is what changed. Source: ADR 0025.
"""

from collections.abc import Sequence
from typing import Final

from roster_publisher.adapters.postgres.read_sql import body_of
from roster_publisher.adapters.postgres.statements import Statement
from roster_publisher.adapters.postgres.view_sql import own_memberships, viewed_rows
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.records import ORDER_OF

# Behind the spot ($2 stamp, $3 place of the entity, $4 id).
_BEHIND: Final = """
    {stamp} >= $2::timestamptz AND ({stamp} > $2::timestamptz OR {order} > $3::int
                                    OR ({order} = $3::int AND {id} > $4::text))
"""
# The newest revision in the same snapshot; at least one row, also without a spot.
_NEWEST: Final = """
    SELECT d.revision, d.stamp AS newest, d.purged_stamp, d.bulk_until, s.*
    FROM (SELECT $1::text AS district_id) AS one
    LEFT JOIN roster_publisher.district_revision d USING (district_id)
    LEFT JOIN spots s ON true ORDER BY s.stamp, s.place, s.sourced_id
"""


def spots_behind(queries: Sequence[CollectionQuery], statement: Statement, *, most: int) -> str:
    """A select of the next `most` spots, behind the four values that `statement` begins with:
    district, stamp, place and id.
    """
    written = " UNION ALL ".join(_written(query, statement, most) for query in queries)
    scoped = [query for query in queries if query.is_scoped]
    arms = ["SELECT * FROM written"]
    for query in scoped:
        # The index on stamps wants district and entity as one.
        lane = statement.bind(f"{query.grant.district_id}/{query.collection.entity}")
        mine = f"{own_memberships(query, statement)} AND m.district_id || '/' || m.entity = {lane}"
        arms.append(_moved(query, f"{mine}", "since_stamp", most))
        arms.append(_moved(query, f"{mine} AND m.until_rev > 0", "until_stamp", most))
    # Nobody needs to look for moves behind the last thing written that has a place on the page.
    # house: no-district — each of its parts begins with it
    return f"""
        WITH written AS MATERIALIZED (
            SELECT * FROM ({written}) AS w ORDER BY 1, 2, 3 LIMIT {most}),
        bound AS MATERIALIZED (
            SELECT CASE WHEN count(*) = {most} THEN max(stamp) ELSE 'infinity' END AS stamp
            FROM written),
        spots AS (
            SELECT DISTINCT * FROM ({" UNION ALL ".join(arms)}) AS u ORDER BY 1, 2, 3 LIMIT {most})
        {_NEWEST}
    """


def versions_of(query: CollectionQuery, columns: str, statement: Statement) -> str:
    """A select of `columns` of the records `o` with the ids $1, as the grant sees them now."""
    if query.is_scoped:
        found = 'SELECT t.id COLLATE "C" AS sourced_id FROM unnest($1::text[]) AS t(id)'
        rows = viewed_rows(
            query, statement, revision=None, after=None, sourced_id=None, within=None, found=found
        )
        return f"SELECT {columns} FROM {rows}"
    return f"""
        SELECT {columns} FROM roster_publisher.object o
        WHERE o.district_id = {statement.bind(query.grant.district_id)}
          AND o.entity = '{query.collection.entity}'
          AND o.sourced_id = ANY($1::text[]) AND o.shown
    """


def told_columns(query: CollectionQuery, statement: Statement) -> str:
    """What is told of a record `o`."""
    body = f"convert_to({body_of(query, statement)}, 'UTF8')"
    return f"o.sourced_id, o.stamp, o.status, o.merged_into, {body} AS body"


def _written(query: CollectionQuery, statement: Statement, most: int) -> str:
    order = ORDER_OF[query.collection.entity]
    lane = statement.bind(f"{query.grant.district_id}/{query.collection.entity}")
    behind = _BEHIND.format(stamp="o.stamp", order=order, id="o.sourced_id")
    return f"""
        (SELECT o.stamp, {order} AS place, o.sourced_id FROM roster_publisher.object o
         WHERE o.district_id || '/' || o.entity = {lane} AND {behind} AND o.shown
         ORDER BY o.stamp, o.sourced_id LIMIT {most})
    """


def _moved(query: CollectionQuery, mine: str, column: str, most: int) -> str:
    order = ORDER_OF[query.collection.entity]
    behind = _BEHIND.format(stamp=f"m.{column}", order=order, id="m.sourced_id")
    # house: no-district — `mine` begins with it
    return f"""
        (SELECT DISTINCT m.{column}, {order}, m.sourced_id FROM roster_publisher.scope_member m
         WHERE {mine} AND {behind} AND m.{column} <= (SELECT b.stamp FROM bound b)
         ORDER BY 1, 3 LIMIT {most})
    """
