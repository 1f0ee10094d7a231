"""Finds SQL on a service's tables that says nothing of the district.

What counts as a statement: a string (plain or f-string, not a docstring) with an SQL verb and a
table of a service's schema. It passes when it mentions `district_id`, or when a skip with its
reason is written at it: in its lines, in the comment above it, or in its function's def line:

    # house: no-district — the run's id is unique over all districts
"""

import ast
import re
from collections.abc import Iterator
from typing import Final

_TABLE: Final = re.compile(
    r"\b(?:sis_ingest|roster_publisher|directory_sync|ticket_events)\.(?:[a-z_]|\{\})+"
)
_VERB: Final = re.compile(r"\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|TRUNCATE|COPY|FROM|JOIN)\b")
_SKIP: Final = re.compile(r"# house: no-district [—-] \S.+")
# No row of a district in it: positions of consumer groups.
_NO_DISTRICT_INSIDE: Final = ("consumer_position",)


def statements_without_district(tree: ast.Module, text: str) -> Iterator[tuple[int, str]]:
    """Line and table of each statement that names no district and carries no skip."""
    lines = text.splitlines()
    docstrings = _docstrings(tree)
    for function, node, statement in _strings(tree):
        if id(node) in docstrings or not _VERB.search(statement):
            continue
        tables = [t for t in _TABLE.findall(statement) if not t.endswith(_NO_DISTRICT_INSIDE)]
        if not tables or "district_id" in statement or _skipped(node, function, lines):
            continue
        yield node.lineno, tables[0]


def _strings(
    tree: ast.Module,
) -> Iterator[tuple[ast.AST | None, ast.Constant | ast.JoinedStr, str]]:
    """Every whole string with its text and the function around it; what an f-string fills in
    reads as `{}`."""
    waiting: list[tuple[ast.AST | None, ast.AST]] = [(None, tree)]
    while waiting:
        function, node = waiting.pop()
        if isinstance(node, ast.JoinedStr):
            parts = [v.value if isinstance(v, ast.Constant) else "{}" for v in node.values]
            yield function, node, "".join(map(str, parts))
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield function, node, node.value
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node
        waiting.extend((function, child) for child in ast.iter_child_nodes(node))


def _docstrings(tree: ast.Module) -> set[int]:
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def _skipped(node: ast.expr, function: ast.AST | None, lines: list[str]) -> bool:
    wanted = lines[node.lineno - 1 : node.end_lineno]
    above = node.lineno - 2
    if above >= 0 and lines[above].endswith("("):  # opens the call or the assignment
        above -= 1
    while above >= 0 and lines[above].strip().startswith("#"):
        wanted.append(lines[above])
        above -= 1
    if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        wanted.append(lines[function.lineno - 1])
    return any(_SKIP.search(line) for line in wanted)
