"""Which old tombstones may go. Pure. Source: blueprint, invariant 5."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from roster_publisher.domain.records import Key

_NEVER_NAMED: Final = frozenset({"enrollment", "demographics"})


def releasable(old: Iterable[Key], pointers: Iterable[tuple[Key, str]]) -> frozenset[Key]:
    """Those of `old` that only records which go as well point at: two that point at one another,
    as parent and child do, go together.

    A pointer is (pointing record, id); an id stands for every key that has it and can be named.
    """
    free = set(old)
    named: dict[str, set[Key]] = defaultdict(set)
    for key in (key for key in free if key.entity not in _NEVER_NAMED):
        named[key.sourced_id].add(key)
    targets: dict[Key, set[Key]] = defaultdict(set)
    for source, sourced_id in pointers:
        targets[source] |= named[sourced_id]
    staying = [source for source in targets if source not in free]
    while staying:
        held = targets.get(staying.pop(), set()) & free
        free -= held
        staying += held
    return frozenset(free)
