"""The generic webhook's body as it comes in: an envelope around a OneRoster 1.2 object.

Tolerant: unknown fields are dropped, `href` and text booleans are taken.
"""

from typing import Annotated, Any, Final

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from roster_common.contracts.validation import read_object
from roster_common.errors import Invalid

_MAX_VERSION: Final = 2**63 - 1
# OneRoster needs five levels; what is far deeper could be read here and not be written later.
_MAX_DEPTH: Final = 50


class Envelope(BaseModel):
    """`type` is `<collection>.upserted` or `<collection>.deleted`."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    type: str
    occurredAt: AwareDatetime  # noqa: N815 - the wire's own name, shown in errors
    version: Annotated[int, Field(ge=0, le=_MAX_VERSION, strict=True)] | None = None
    data: dict[str, Any]


def read_envelope(body: bytes) -> Envelope:
    """The body's envelope. Raises `Invalid`: malformed_json, not_an_object,
    nested_too_deeply, or a field's fault.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Invalid("malformed_json") from None
    if not isinstance(value, dict):
        raise Invalid("not_an_object")
    if _is_deeper(value, _MAX_DEPTH):
        raise Invalid("nested_too_deeply")
    return read_object(Envelope, value)


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether anything stands more than `levels` containers inside `value`."""
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not layer:
            return False
    return True
