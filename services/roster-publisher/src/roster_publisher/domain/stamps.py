"""Comparisons with a stamp that is never older than a moment. Pure. Source: ADR 0024."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, TypeAlias

Comparison: TypeAlias = Literal["=", "!=", ">", ">=", "<", "<="]

_AT_SINCE: Final[Mapping[Comparison, Comparison | bool]] = {
    ">": ">",
    ">=": True,
    "<": False,
    "<=": "<=",
    "=": "<=",
    "!=": ">",
}


def compared_since(
    since: datetime | None, predicate: Comparison, value: datetime
) -> Comparison | bool:
    """How a stamp compares with `value` when the later of it and `since` is meant: by itself, by
    what is returned; or True or False whatever it is.
    """
    if since is None or since < value:
        return predicate
    if since > value:
        return predicate in {"!=", ">", ">="}
    # At the very moment: the stamp alone tells what is behind it.
    return _AT_SINCE[predicate]
