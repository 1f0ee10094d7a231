"""Stamps as a grant shows them: never older than when what it shows was last changed.

A grant that never changed reads stamps and texts as they are. For one that has, comparisons with
its own moment are decided here, so that an index on stamps serves as before. Values are bound.
Source: blueprint, invariant 6; ADR 0024.
"""

from datetime import datetime
from typing import Final

from roster_publisher.adapters.postgres.statements import Statement
from roster_publisher.domain.access import Grant
from roster_publisher.domain.fragments import stamp_text
from roster_publisher.domain.stamps import Comparison, compared_since

_OPERATORS: Final = {"=": "=", "!=": "<>", ">": ">", ">=": ">=", "<": "<", "<=": "<="}
_PLACE: Final = """position('"dateLastModified":"' IN o.base) + 20"""


def stamp_of(grant: Grant, statement: Statement) -> str:
    """The stamp of row `o`."""
    if grant.since_stamp is None:
        return "o.stamp"
    return f"greatest(o.stamp, {statement.bind(grant.since_stamp)})"


def base_of(grant: Grant, statement: Statement) -> str:
    """The first group of row `o`'s texts, which holds its stamp."""
    since = grant.since_stamp
    if since is None:
        return "o.base"
    text = f"{statement.bind(stamp_text(since))}::text"
    return f"""(CASE WHEN o.stamp < {statement.bind(since)}
                    THEN overlay(o.base PLACING {text} FROM {_PLACE} FOR 24) ELSE o.base END)"""


def by_stamp(grant: Grant, predicate: Comparison, value: datetime, statement: Statement) -> str:
    """A condition on the stamp of row `o`."""
    found = compared_since(grant.since_stamp, predicate, value)
    if isinstance(found, bool):
        return str(found).lower()
    return f"o.stamp {_OPERATORS[found]} {statement.bind(value)}"
