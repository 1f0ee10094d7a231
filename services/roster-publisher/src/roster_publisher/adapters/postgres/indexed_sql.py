"""The ids that a filter leaves by an index, so that a view of scopes need not be read whole.

Text comes from this module only; values are bound. Source: ADR 0023.
"""

from typing import Final

from roster_publisher.adapters.postgres.statements import Statement
from roster_publisher.domain.filters import Clause
from roster_publisher.domain.queries import CollectionQuery

_POINTERS: Final = frozenset({"user_id", "class_id", "course_id"})


def ids_indexed(
    query: CollectionQuery, statement: Statement, *, revision: str | None
) -> str | None:
    """A select of ids beside which nothing passes the query's filter; None for all ids.

    Ids may come twice, and ones that the filter refuses may be among them.
    """
    if query.filter is None:
        return None
    indexed = [clause for clause in query.filter.clauses if _has_index(clause)]
    if query.filter.any_of and len(indexed) == len(query.filter.clauses):
        return " UNION ALL ".join(_ids(one, query, statement, revision) for one in indexed)
    if query.filter.any_of or not indexed:
        return None
    return _ids(indexed[0], query, statement, revision)


def _has_index(clause: Clause) -> bool:
    return clause.predicate == "=" and clause.column in {"sourced_id", *_POINTERS}


def _ids(clause: Clause, query: CollectionQuery, statement: Statement, revision: str | None) -> str:
    if clause.column == "sourced_id":
        return f'SELECT {statement.bind(clause.value)}::text COLLATE "C" AS sourced_id'
    # Whatever version is shown, it is one of these.
    tables = ["object", "last_seen"] + ([] if revision is None else ["object_history"])
    where = f"""r.district_id = {statement.bind(query.grant.district_id)}
        AND r.entity = '{query.collection.entity}'
        AND r.{clause.column} = {statement.bind(clause.value)}"""
    # house: no-district — `where` begins with it
    return " UNION ALL ".join(
        f"SELECT r.sourced_id FROM roster_publisher.{table} r WHERE {where}"
        + (f" AND r.rev_to > {revision}" if table == "object_history" else "")
        for table in tables
    )
