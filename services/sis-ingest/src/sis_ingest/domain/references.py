"""References inside a record: finding them, and giving them other ids. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from sis_ingest.domain.entities import REFERENCES, Entity, id_space
from sis_ingest.domain.records import Record

IdKey: TypeAlias = tuple[Entity, str]


def ids_in(entity: Entity, record: Record) -> Iterator[IdKey]:
    """Every id the record carries, its own first, as (id space, id); may repeat."""
    yield id_space(entity), record["sourcedId"]
    for reference in REFERENCES[entity]:
        for found in _at(record, reference.path):
            yield reference.entity, found


def with_ids(entity: Entity, record: Record, ids: Mapping[IdKey, str]) -> Record:
    """A copy that carries `ids[...]` wherever `ids_in` finds an id. KeyError if one is absent."""
    own = ids[id_space(entity), record["sourcedId"]]
    result: Record = {**record, "sourcedId": own}
    for reference in REFERENCES[entity]:
        head, rest = reference.path[0], reference.path[1:]
        if head in result:
            result[head] = _swapped(result[head], rest, reference.entity, ids)
    return result


def _at(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _at(item, path)
    elif not path:
        yield value["sourcedId"]
    elif path[0] in value:
        yield from _at(value[path[0]], path[1:])


def _swapped(value: Any, path: tuple[str, ...], space: Entity, ids: Mapping[IdKey, str]) -> Any:
    if isinstance(value, list):
        return [_swapped(item, path, space, ids) for item in value]
    if not path:
        return {**value, "sourcedId": ids[space, value["sourcedId"]]}
    if path[0] not in value:
        return value
    return {**value, path[0]: _swapped(value[path[0]], path[1:], space, ids)}
