"""Turns pydantic's findings into `Invalid`: path and error type, never the value.

Used by the codec and by every door that reads a body with a contract model.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from roster_common.errors import Invalid

M = TypeVar("M", bound=BaseModel)

_STABLE_CODE: Final = re.compile(r"[a-z_]{1,64}")


def read_object(model: type[M], value: Mapping[str, Any]) -> M:
    """Validates a decoded JSON object by wire names. Raises `Invalid` (reason, field path)."""
    try:
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        # No cause: the chained message would be printed with the trace.
        raise invalid_from(error, model) from None


def read_json(model: type[M], value: bytes) -> M:
    """Validates JSON bytes by wire names. Raises `Invalid` (reason, field path)."""
    try:
        return model.model_validate_json(value, by_alias=True, by_name=False)
    except ValidationError as error:
        raise invalid_from(error, model) from None


def invalid_from(error: ValidationError, model: type[BaseModel]) -> Invalid:
    """The first finding as `Invalid`: pydantic's error type and the path of wire names.

    A part of the path that is not a name of the model (a key of the input) becomes `*`.
    """
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    code = first["type"] if _STABLE_CODE.fullmatch(first["type"]) else "invalid"
    names = _wire_names(model)
    parts = [str(p) if isinstance(p, int) or p in names else "*" for p in first["loc"]]
    return Invalid(code, field=".".join(parts) or None)


@cache
def _wire_names(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(_properties(model.model_json_schema()))


def _properties(schema: Mapping[str, Any]) -> Iterator[str]:
    for holder in (schema, *schema.get("$defs", {}).values()):
        yield from holder.get("properties", {})
