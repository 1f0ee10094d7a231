"""JSON from outside, before anybody knows what it should say. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from roster_common.errors import Invalid

# OneRoster needs five levels; what is far deeper could be read here and not be written later.
_MAX_DEPTH: Final = 50


def read_json(body: bytes) -> Any:
    """The value. Raises `Invalid`: malformed_json, nested_too_deeply."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Invalid("malformed_json") from None
    if _is_deeper(value, _MAX_DEPTH):
        raise Invalid("nested_too_deeply")
    return value


def an_object(value: Any, *, field: str | None = None) -> Mapping[str, Any]:
    """The value, which must be an object. Raises `Invalid`: not_an_object."""
    if not isinstance(value, dict):
        raise Invalid("not_an_object", field=field)
    return value


def inside(outer: str, inner: str | None) -> str | None:
    """The path of a part of a part; each may be nothing."""
    return ".".join(part for part in (outer, inner) if part) or None


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether anything stands more than `levels` containers inside `value`."""
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not layer:
            return False
    return True
