"""Builds the statements that read a collection. Text comes from this module only; values are bound.

One statement text per (entity, subset, shape of the filter, whole district or schools), so the
driver's prepared statements are reused.
"""

from collections.abc import Mapping
from typing import Any, Final

from roster_publisher.domain.filters import Clause, Filter
from roster_publisher.domain.queries import CollectionQuery

_BODIES: Final[Mapping[str, str]] = {
    "user": "o.base || o.names || o.contact || o.identifiers || o.refs || o.metadata",
    "demographics": "o.base || o.birth || o.ethnicity || o.metadata",
}
_PLAIN_BODY: Final = "o.base || o.refs || o.metadata"

# Written out, not bound, so that the planner can use the partial indexes.
_SUBSETS: Final[Mapping[str, str]] = {
    "school": "o.kind = 'school'",
    "term": "o.kind = 'term'",
    "gradingPeriod": "o.kind = 'gradingPeriod'",
    "student": "o.roles @> '{student}'",
    "teacher": "o.roles @> '{teacher}'",
}
_OPERATORS: Final[Mapping[str, str]] = {
    "=": "=",
    "!=": "<>",
    ">": ">",
    ">=": ">=",
    "<": "<",
    "<=": "<=",
}
_LIKE: Final = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})


class Statement:
    """Collects binds while text is put together; `bind` gives the placeholder."""

    def __init__(self, *values: Any) -> None:
        self.values: list[Any] = list(values)

    def bind(self, value: Any) -> str:
        """Add a value; returns its placeholder."""
        self.values.append(value)
        return f"${len(self.values)}"


def body_of(query: CollectionQuery) -> str:
    """The expression of one object's text."""
    return f"'{{' || {_BODIES.get(query.collection.entity, _PLAIN_BODY)} || '}}'"


def conditions(query: CollectionQuery, statement: Statement, *, revision: str | None) -> str:
    """What a row `o` must meet besides its revision. Binds district and entity first.

    `revision` is the placeholder of the revision asked for, None for the newest.
    """
    grant, collection = query.grant, query.collection
    parts = [
        f"o.district_id = {statement.bind(grant.district_id)}",
        f"o.entity = '{collection.entity}'",
    ]
    if collection.subset is not None:
        parts.append(_subset(query, statement))
    if query.filter is not None:
        if _is_delta(query.filter):
            lane = f"{grant.district_id}/{collection.entity}"
            parts.append(f"o.district_id || '/' || o.entity = {statement.bind(lane)}")
        parts.append(_filter(query.filter, query, statement))
    if grant.school_ids is not None:
        parts += _scope(query, statement, revision)
    return " AND ".join(parts)


def at_revision(
    query: CollectionQuery,
    columns: str,
    *,
    after: str,
    limit: str | None,
    revision: str,
    statement: Statement,
) -> str:
    """Rows of `revision` behind `after`, from what is current and what was overwritten since.

    Both halves come ordered from an index and are merged; each half reads `limit` rows at most.
    """
    where = conditions(query, statement, revision=revision)
    tail = f"AND o.sourced_id > {after} ORDER BY o.sourced_id"
    if limit is not None:
        tail += f" LIMIT {limit}"
    # house: no-district — `conditions` begins with it
    return f"""
        (SELECT {columns} FROM roster_publisher.object o
         WHERE {where} AND o.shown AND o.revision <= {revision} {tail})
        UNION ALL
        (SELECT {columns} FROM roster_publisher.object_history o
         WHERE {where} AND o.rev_from <= {revision} AND o.rev_to > {revision} {tail})
    """


def _subset(query: CollectionQuery, statement: Statement) -> str:
    subset = query.collection.subset or ""
    if query.collection.entity == "user" and query.grant.school_ids is not None:
        # A role elsewhere must not show: only roles at the grant's schools count.
        return f"o.roles_at && {statement.bind(_at(query, subset))}::text[]"
    return _SUBSETS[subset]


def _at(query: CollectionQuery, role: str) -> list[str]:
    return [f"{role}@{school}" for school in query.grant.school_ids or ()]


def _is_delta(wanted: Filter) -> bool:
    """Whether the index on stamps can serve it; that index wants district and entity as one."""
    return not wanted.any_of and any(clause.kind == "moment" for clause in wanted.clauses)


def _filter(wanted: Filter, query: CollectionQuery, statement: Statement) -> str:
    clauses = [_clause(clause, query, statement) for clause in wanted.clauses]
    return f"({(' OR ' if wanted.any_of else ' AND ').join(clauses)})"


def _clause(clause: Clause, query: CollectionQuery, statement: Statement) -> str:
    column = f"o.{clause.column}"
    if clause.kind == "texts":
        return _list_clause(clause, query, statement)
    if clause.predicate == "~":
        return f"{column} ILIKE {statement.bind(_contains(clause.value))}"
    value = statement.bind(clause.value)
    if clause.predicate == "!=":
        return f"{column} IS DISTINCT FROM {value}"
    return f"{column} {_OPERATORS[clause.predicate]} {value}"


def _list_clause(clause: Clause, query: CollectionQuery, statement: Statement) -> str:
    """A list matches when any item does; `!=` when none does."""
    column, value = f"o.{clause.column}", str(clause.value)
    schools = query.grant.school_ids
    if schools is not None and clause.column == "roles":
        column = "o.roles_at"
        wanted = _at(query, value)
    elif schools is not None and clause.column == "scope_ids":
        wanted = [value] if value in schools else []
    else:
        wanted = [value]
    if clause.predicate == "~":
        values = value.split(",")
        if schools is not None and clause.column != "term_ids":
            wanted = [at for one in values for at in _at(query, one)]
            if clause.column == "scope_ids":
                wanted = [one for one in values if one in schools]
        else:
            wanted = values
    overlap = f"{column} && {statement.bind(wanted)}::text[]"
    return f"NOT {overlap}" if clause.predicate == "!=" else overlap


def _scope(query: CollectionQuery, statement: Statement, revision: str | None) -> list[str]:
    entity = query.collection.entity
    if entity == "academicSession":
        return []
    schools = statement.bind(list(query.grant.school_ids or ()))
    match entity:
        case "org":
            return [f"o.sourced_id = ANY({schools}::text[])"]
        case "demographics":
            return [_member("user", "o.sourced_id", schools, revision)]
        case "class":
            return [f"o.school_id = ANY({schools}::text[])"]
        case "enrollment":
            # Without its person the reference would name somebody whom the grant does not see.
            person = _member("user", "o.user_id", schools, revision)
            return [f"o.school_id = ANY({schools}::text[])", person]
        case _:
            return [_member(entity, "o.sourced_id", schools, revision)]


def _member(entity: str, column: str, schools: str, revision: str | None) -> str:
    when = "m.until_rev IS NULL"
    if revision is not None:
        when = f"m.since_rev <= {revision} AND (m.until_rev IS NULL OR m.until_rev > {revision})"
    return f"""EXISTS (
        SELECT 1 FROM roster_publisher.scope_member m
        WHERE m.district_id = o.district_id AND m.scope_id = ANY({schools}::text[])
          AND m.entity = '{entity}' AND m.sourced_id = {column} AND {when})"""


def _contains(value: object) -> str:
    return f"%{str(value).translate(_LIKE)}%"
