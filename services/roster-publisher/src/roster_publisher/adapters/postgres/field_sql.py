"""Conditions on fields that have no column, and such fields as what rows are sorted by.

The field is read from the very text its vendor is sent, so that nothing can be asked for that is
not shown: of its group of texts only, and past references that the grant does not see. Paths and
values are bound and never text of a statement. A text is taken apart for every row that cheaper
conditions leave, hence the time-out (`reads.py`). Source: blueprint, invariant 7; ADR 0023.
"""

import re
from decimal import Decimal
from typing import Final

import orjson

from roster_publisher.adapters.postgres.statements import Statement
from roster_publisher.domain.fields import METADATA, Field, Path
from roster_publisher.domain.filters import Clause, Words
from roster_publisher.domain.fragments import HOST_MARK
from roster_publisher.domain.queries import CollectionQuery

OPERATORS: Final = {"=": "=", "!=": "<>", ">": ">", ">=": ">=", "<": "<", "<=": "<="}
_LIKE: Final = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})
_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_TEXT: Final = "(v.x #>> '{}')"
_IS_PLAIN: Final = "jsonb_typeof(v.x) IN ('string', 'number', 'boolean')"


def matches(clause: Clause, query: CollectionQuery, statement: Statement) -> str:
    """True when any value of the field in row `o` is as the clause says; `!=` when none is equal,
    so also where there is no value.
    """
    if is_single(clause.field):
        return compared(clause, single(clause.field, statement), statement)
    values = _values(clause.field, query, statement)
    told = "NOT EXISTS" if clause.predicate == "!=" else "EXISTS"
    return f"{told} (SELECT FROM {values} WHERE {_item(clause, statement)})"


def sort_key(field: Field, query: CollectionQuery, statement: Statement) -> str:
    """What row `o` is sorted by: the field's text, of several the lowest; NULL without any."""
    if is_single(field):
        return f'{single(field, statement)} COLLATE "C"'
    values = _values(field, query, statement)
    return f'(SELECT min({_TEXT} COLLATE "C") FROM {values} WHERE {_IS_PLAIN})'


def compared(clause: Clause, expression: str, statement: Statement) -> str:
    """A condition on an `expression` of one text, or one stamp. Texts are ordered by code point;
    `~` finds them in any case.
    """
    if clause.predicate == "~":
        return f'{expression} COLLATE "default" ILIKE ANY({patterns(clause, statement)})'
    if isinstance(clause.value, Words):
        found = one_of(clause.value, expression, statement)
        return f"({found}) IS NOT TRUE" if clause.predicate == "!=" else found
    value = statement.bind(clause.value)
    if clause.predicate == "!=":
        return f"{expression} IS DISTINCT FROM {value}"
    order = ' COLLATE "C"' if isinstance(clause.value, str) else ""
    return f"{expression}{order} {OPERATORS[clause.predicate]} {value}"


def one_of(value: Words, expression: str, statement: Statement) -> str:
    """Whether an `expression` of one text is one of the words, or of the others."""
    operator = "<> ALL" if value.others else "= ANY"
    return f"{expression} {operator}({statement.bind(list(value.words))}::text[])"


def patterns(clause: Clause, statement: Statement) -> str:
    """An array of what the clause looks for, for ILIKE."""
    return f"{statement.bind([f'%{word.translate(_LIKE)}%' for word in clause.words])}::text[]"


def is_single(field: Field) -> bool:
    """Whether the field is one text right inside the object."""
    return len(field.path) == 1 and not field.listed


def single(field: Field, statement: Statement) -> str:
    """The text of such a field in row `o`."""
    return f"({_document(field.group)} ->> {statement.bind(field.path[0])}::text)"


def _document(group: str) -> str:
    """One group of row `o` as an object; `href`s lose the mark, which JSON does not allow."""
    if group == "base":
        return "('{' || o.base || '}')::jsonb"
    inside = f"substr(o.{group}, 2)"
    if group == "refs":
        inside = f"translate({inside}, chr({ord(HOST_MARK)}), '')"
    return f"('{{' || {inside} || '}}')::jsonb"


def _item(clause: Clause, statement: Statement) -> str:
    """A condition on a value `v.x`: texts compare as texts, numbers of metadata as numbers."""
    if clause.predicate == "~":
        wanted = patterns(clause, statement)
        return f'{_IS_PLAIN} AND {_TEXT} COLLATE "default" ILIKE ANY({wanted})'
    if isinstance(clause.value, Words):
        return f"{_IS_PLAIN} AND {one_of(clause.value, _TEXT, statement)}"
    operator = "=" if clause.predicate == "!=" else OPERATORS[clause.predicate]
    as_text = f'{_TEXT} COLLATE "C" {operator} {statement.bind(clause.value)}'
    if clause.field.group != METADATA:
        return as_text
    number = Decimal(str(clause.value)) if _NUMBER.fullmatch(str(clause.value)) else None
    as_number = f"v.x::numeric {operator} {statement.bind(number)}::numeric"
    return f"""CASE jsonb_typeof(v.x) WHEN 'number' THEN {as_number}
                    WHEN 'string' THEN {as_text} WHEN 'boolean' THEN {as_text} END"""


def _values(field: Field, query: CollectionQuery, statement: Statement) -> str:
    """What comes after FROM so that `v.x` is each value of the field in row `o`."""
    if field.path[0] == "agents" and query.is_scoped:
        return _agents(field, query, statement)
    narrowed = _narrowed(field, query)
    orgs = {"orgs": sorted(query.grant.visible_orgs or ())}
    more = f", {statement.bind(orjson.dumps(orgs).decode())}::jsonb" if narrowed else ""
    document = _document(field.group)
    queries = [
        f"jsonb_path_query({document}, {statement.bind(path)}::jsonpath{more})"
        for path in _paths(field, narrowed=narrowed)
    ]
    if len(queries) == 1:
        return f"{queries[0]} AS v(x)"
    return f"({' UNION ALL '.join(f'SELECT {one}' for one in queries)}) AS v(x)"


def _narrowed(field: Field, query: CollectionQuery) -> str | None:
    """Where, seen from the path's first name, the org stands that the grant must see."""
    if not query.is_scoped or query.grant.visible_orgs is None:
        return None
    if field.path[0] == "roles":
        return '@."org"."sourcedId"'
    # What is in a view is so by its own school, which is never taken out.
    seen = field.points_at == "org" and field.path[0] != "school"
    return '@."sourcedId"' if seen else None


def _paths(field: Field, *, narrowed: str | None) -> list[str]:
    """The field as jsonpaths; lax, so lists are opened on the way. A file's metadata has names with
    dots where another source's has objects in objects.
    """
    first, inside = field.path[0], field.path[1:]
    ways: list[Path] = [inside]
    if first == METADATA and len(inside) > 1:
        ways.append((".".join(inside),))
    condition = f" ? ({narrowed} == $orgs[*])" if narrowed else ""
    return [f"${_steps((first,))}{condition}{_steps(way)}[*]" for way in ways]


def _steps(names: Path) -> str:
    return "".join(f".{orjson.dumps(name).decode()}" for name in names)


def _agents(field: Field, query: CollectionQuery, statement: Statement) -> str:
    """Agents as a view of scopes names them: who was there as of the text."""
    district = statement.bind(query.grant.district_id)
    scopes = statement.bind(list(query.grant.scope_ids))
    path = statement.bind(f"${_steps(field.path[:1])}[*]")
    return f"""(
        SELECT a.x -> {statement.bind(field.path[1])}::text AS x
        FROM jsonb_path_query({_document(field.group)}, {path}::jsonpath) AS a(x)
        WHERE EXISTS (
            SELECT FROM roster_publisher.scope_member m
            WHERE m.district_id = {district} AND m.entity = 'user'
              AND m.sourced_id = a.x ->> 'sourcedId' AND m.scope_id = ANY({scopes}::text[])
              AND m.since_rev <= o.revision
              AND (m.until_rev IS NULL OR o.revision < m.until_rev))) AS v"""
