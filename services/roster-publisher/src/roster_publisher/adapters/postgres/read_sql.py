"""Builds the statements that read a collection. Text comes from this module only; values are bound.

One statement text per (entity, subset, shape of filter and order, groups of fields, whole district
or scopes), so the driver's prepared statements are reused. What differs for a grant of scopes is in
`view_sql.py`, fields without a column in `field_sql.py`, the order in `order_sql.py`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from roster_publisher.adapters.postgres.field_sql import compared, matches
from roster_publisher.adapters.postgres.indexed_sql import ids_indexed
from roster_publisher.adapters.postgres.order_sql import order_of
from roster_publisher.adapters.postgres.stamp_sql import base_of, by_stamp
from roster_publisher.adapters.postgres.statements import Statement, written_over
from roster_publisher.adapters.postgres.touched_sql import Touched
from roster_publisher.adapters.postgres.view_sql import count_viewed, viewed_rows
from roster_publisher.adapters.postgres.within_sql import condition_within, ids_within
from roster_publisher.domain.collections import ALL_COLLECTIONS, PARENT
from roster_publisher.domain.filters import Clause, Filter, Words
from roster_publisher.domain.fragments import BLANK_NAMES
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.sorting import Place
from roster_publisher.domain.views import VERSION

_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "user": ("names", "contact", "identifiers", "refs", "metadata"),
    "demographics": ("birth", "ethnicity", "metadata"),
}
_PLAIN_GROUPS: Final = ("refs", "metadata")
# What stands in for a withheld group, because the specification requires its fields.
_STAND_INS: Final = {"names": f"'{BLANK_NAMES}'"}

# Written out, not bound, so that the planner can use the partial indexes.
_SUBSETS: Final[Mapping[str, str]] = {
    "school": "o.kind = 'school'",
    "term": "o.kind = 'term'",
    "gradingPeriod": "o.kind = 'gradingPeriod'",
    "student": "o.roles @> '{student}'",
    "teacher": "o.roles @> '{teacher}'",
}
# As references are rendered.
_AGENTS: Final = '"agents":[{'
VERSION_JSON: Final = f'"{VERSION}":'


def body_of(query: CollectionQuery, statement: Statement) -> str:
    """The expression of one object's text, of the groups that the grant's policy allows."""
    grant = query.grant
    parts = [base_of(grant, statement)]
    for group in _GROUPS.get(query.collection.entity, _PLAIN_GROUPS):
        if grant.allows(group):
            parts.append(f"o.{group}")
        elif group in _STAND_INS:
            parts.append(_STAND_INS[group])
    opening = "'{'"
    if query.is_scoped and query.collection.entity == "user":
        # Where agents may have to go, a view is told of which revision the text is.
        version = f"'{{{VERSION_JSON}' || o.revision || ','"
        opening = f"CASE WHEN strpos(o.refs, '{_AGENTS}') > 0 THEN {version} ELSE '{{' END"
    return f"{opening} || {' || '.join(parts)} || '}}'"


def rows_of(
    query: CollectionQuery,
    columns: str,
    statement: Statement,
    *,
    revision: str | None,
    after: Place | None = None,
    sourced_id: str | None = None,
    limit: str | None = None,
) -> str:
    """A select of `columns` of rows `o` in the order asked for, as the grant sees them; when they
    are sorted, with what they are sorted by as `sort_key`.

    `revision`, `sourced_id` and `limit` are placeholders; `revision` None is the newest.
    """
    order = order_of(query, statement)
    columns += order.column
    where = conditions(query, statement, revision=revision)
    behind_id = None
    if after is not None and order.key is not None:
        where += f" AND {order.behind(after, statement)}"
    elif after is not None:
        behind_id = statement.bind(after.sourced_id)
    most = "" if limit is None else _most(query, limit)
    if query.is_scoped:
        source = viewed_rows(
            query,
            statement,
            revision=revision,
            after=behind_id,
            sourced_id=sourced_id,
            within=_wanted(query, statement, revision),
            paged=limit is not None and order.key is None,
        )
        return f"""SELECT {columns} FROM {source}{order.join} WHERE {where}
                   ORDER BY {order.by("i")}{most}"""
    if behind_id is not None:
        where += f" AND o.sourced_id > {behind_id}"
    if sourced_id is not None:
        where += f" AND o.sourced_id = {sourced_id}"
    tail = f"ORDER BY {order.by('o')}{most}"
    if revision is None:
        # house: no-district — `conditions` begins with it
        return f"""SELECT {columns} FROM roster_publisher.object o{order.join}
                   WHERE {where} AND o.shown {tail}"""
    # Both halves come ordered, from an index where there is one, and are merged; each reads `limit`
    # rows at most.
    # house: no-district — `conditions` begins with it
    return f"""
        SELECT * FROM (
            (SELECT {columns} FROM roster_publisher.object o{order.join}
             WHERE {where} AND o.shown AND o.revision <= {revision} {tail})
            UNION ALL
            (SELECT {columns} FROM roster_publisher.object_history o{order.join}
             WHERE {where} AND {_replaced(query, statement, revision)} {tail})
        ) AS u ORDER BY {order.by("u")}{most}
    """


def _most(query: CollectionQuery, limit: str) -> str:
    """The limit of a select. The planner plans anew for every page whose limit it can read, so it
    reads one only where that may lead it to another index.
    """
    asked = (query.filter, query.sort, query.touched_since)
    if query.is_scoped or not (any(asked) or query.parents):
        return f" LIMIT (SELECT {limit}::bigint)"
    return f" LIMIT {limit}"


def count_of(query: CollectionQuery, statement: Statement, *, revision: str) -> str:
    """A select of how many rows the query has at `revision`, a placeholder."""
    whole = query.filter is None and query.collection.subset is None and not query.parents
    if query.is_scoped and whole:
        return count_viewed(query, statement, revision=revision)
    if query.is_scoped:
        rows = rows_of(query, "o.sourced_id", statement, revision=revision)
        return f"SELECT count(*) FROM ({rows}) AS c"
    where = conditions(query, statement, revision=revision)
    # house: no-district — `conditions` begins with it
    return f"""
        SELECT (SELECT count(*) FROM roster_publisher.object o
                WHERE {where} AND o.shown AND o.revision <= {revision})
             + (SELECT count(*) FROM roster_publisher.object_history o
                WHERE {where} AND {_replaced(query, statement, revision)})
    """


def _replaced(query: CollectionQuery, statement: Statement, revision: str) -> str:
    district, entity = query.grant.district_id, query.collection.entity
    return written_over("o", revision, statement, district=district, entity=entity)


def parents_seen(query: CollectionQuery, statement: Statement, *, revision: str | None) -> str:
    """What is true when the grant sees every parent of the query: a class below a school there."""
    seen = []
    for place, parent in enumerate(query.parents, start=1):
        above = CollectionQuery(
            grant=query.grant,
            collection=ALL_COLLECTIONS[PARENT.join(query.collection.parents[:place])],
            parents=query.parents[: place - 1],
        )
        wanted = statement.bind(parent.sourced_id)
        rows = rows_of(above, "o.sourced_id", statement, revision=revision, sourced_id=wanted)
        seen.append(f"EXISTS ({rows})")
    return " AND ".join(seen) or "true"


def conditions(query: CollectionQuery, statement: Statement, *, revision: str | None) -> str:
    """What a row `o` must meet besides its revision and scope: district and entity first."""
    grant, collection = query.grant, query.collection
    parts = (
        []
        if query.is_scoped
        else [
            f"o.district_id = {statement.bind(grant.district_id)}",
            f"o.entity = '{collection.entity}'",
        ]
    )
    if collection.subset is not None:
        parts.append(_subset(query, statement))
    parts += _within(query, statement, revision)
    if not query.is_scoped and query.is_by_stamp:
        # The index on stamps wants district and entity as one.
        lane = f"{grant.district_id}/{collection.entity}"
        parts.append(f"o.district_id || '/' || o.entity = {statement.bind(lane)}")
    if query.filter is not None:
        parts.append(_filter(query.filter, query, statement))
    return " AND ".join(parts) or "true"


def _within(query: CollectionQuery, statement: Statement, revision: str | None) -> list[str]:
    """What being of its parents asks of a row; a view of schools narrows by ids by itself."""
    condition = condition_within(query, statement, revision=revision)
    parts = [] if condition is None else [condition]
    if query.is_scoped:
        return parts
    asked = (ids_within(query, statement, revision=revision), _touched(query, statement, revision))
    return parts + [f"o.sourced_id = ANY(ARRAY({ids}))" for ids in asked if ids is not None]


def _touched(query: CollectionQuery, statement: Statement, revision: str | None) -> str | None:
    """Ids of what points at something that ended or came back; None if that does not matter."""
    if query.touched_since is None or revision is None:
        return None
    touched = Touched(query.grant, statement, since=query.touched_since, revision=revision)
    return touched.ids(query.collection.entity)


def _wanted(query: CollectionQuery, statement: Statement, revision: str | None) -> str | None:
    """The only ids that a view is searched for; None for all of it."""
    asked = [rule(query, statement, revision=revision) for rule in (ids_indexed, ids_within)]
    asked.append(_touched(query, statement, revision))
    selects = [f"({select})" for select in asked if select is not None]
    return " INTERSECT ".join(selects) or None


def _subset(query: CollectionQuery, statement: Statement) -> str:
    subset = query.collection.subset or ""
    orgs = query.grant.visible_orgs
    if query.collection.entity == "user" and orgs is not None:
        # A role elsewhere must not show: only roles at orgs in view count.
        return f"o.roles_at && {statement.bind(_at(orgs, subset))}::text[]"
    return _SUBSETS[subset]


def _at(orgs: frozenset[str], role: str) -> list[str]:
    return [f"{role}@{org}" for org in sorted(orgs)]


def _filter(wanted: Filter, query: CollectionQuery, statement: Statement) -> str:
    clauses = [_clause(clause, query, statement) for clause in wanted.clauses]
    return f"({(' OR ' if wanted.any_of else ' AND ').join(clauses)})"


def _clause(clause: Clause, query: CollectionQuery, statement: Statement) -> str:
    if clause.column is None:
        return matches(clause, query, statement)
    if clause.is_listed:
        return _list_clause(clause, query, statement)
    if isinstance(clause.value, datetime) and clause.predicate != "~":
        return by_stamp(query.grant, clause.predicate, clause.value, statement)
    column = f"o.{clause.column}"
    orgs = query.grant.visible_orgs if query.is_scoped else None
    if orgs is not None and clause.column == "school_id":
        # An org out of sight must not be found out by asking for it.
        seen = statement.bind(sorted(orgs))
        column = f"CASE WHEN {column} = ANY({seen}::text[]) THEN {column} END"
    return compared(clause, column, statement)


def _list_clause(clause: Clause, query: CollectionQuery, statement: Statement) -> str:
    """A list matches when any item does; `!=` when none does."""
    value = clause.value
    wanted = list(value.words) if isinstance(value, Words) else [str(value)]
    column = f"o.{clause.column}"
    orgs = query.grant.visible_orgs
    if orgs is not None and clause.column == "roles":
        column = "o.roles_at"
        wanted = [one for role in wanted for one in _at(orgs, role)]
    elif orgs is not None and clause.column == "scope_ids":
        wanted = [one for one in wanted if one in orgs]
    overlap = f"{column} && {statement.bind(wanted)}::text[]"
    return f"NOT {overlap}" if clause.predicate == "!=" else overlap
