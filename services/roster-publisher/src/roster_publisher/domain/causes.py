"""What a commit did, as one line per correlation id: enough to answer a trace. Pure.

Source: ADR 0013, effects that touch many rows keep one line per commit with a count.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from roster_publisher.domain.records import Key

What: TypeAlias = Literal["published", "waiting", "named", "derived"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseLine:
    """`records` effects of one kind had this correlation id; `first` is one of them.

    `detail` is a stable code, empty where there is nothing to add.
    """

    correlation_id: str
    what: What
    detail: str
    records: int
    first: Key


def lines(what: What, effects: Iterable[tuple[str, str, Key]]) -> tuple[CauseLine, ...]:
    """Count (correlation id, detail, record) into lines, in a stable order."""
    found: dict[tuple[str, str], CauseLine] = {}
    for correlation_id, detail, key in effects:
        before = found.get((correlation_id, detail))
        found[correlation_id, detail] = (
            CauseLine(correlation_id=correlation_id, what=what, detail=detail, records=1, first=key)
            if before is None
            else replace(before, records=before.records + 1)
        )
    return tuple(line for _, line in sorted(found.items()))
