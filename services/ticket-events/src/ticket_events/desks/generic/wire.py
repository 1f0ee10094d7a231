"""The generic desk webhook's body as it comes in: ids and codes around a ticket. Tolerant.

Only what is named here is ever kept: unknown fields, and with them subjects, descriptions and
comments, are dropped while reading.
"""

from typing import Annotated, Final

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from roster_common.contracts.validation import read_object
from roster_common.errors import Invalid

_MAX_SEQUENCE: Final = 2**63 - 1
# No blank and no @: neither a sentence nor an address is an id. Numbers are taken as text.
_Id = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[^\s@\x00-\x1f\x7f]{1,255}$")
]
# A word of the desk's own lists; blanks are usual there, lines and addresses are not.
_Code = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[^@\x00-\x1f\x7f]{1,100}$")
]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, coerce_numbers_to_str=True
    )


class WireTicket(_Part):
    """The ticket after the change. `requester` and `device`: our ids, or the desk's own."""

    id: _Id
    status: _Code | None = None
    priority: _Code | None = None
    category: _Code | None = None
    site: _Id | None = None
    requester: _Id | None = None
    device: _Id | None = None
    group: _Id | None = None
    assignee: _Id | None = None
    channel: _Code | None = None
    mergedInto: _Id | None = None  # noqa: N815 - the wire's own name, shown in errors


class WireComment(_Part):
    """Who may see a comment and who wrote it; never what it says."""

    public: bool
    byAgent: bool | None = None  # noqa: N815 - the wire's own name, shown in errors


class Envelope(_Part):
    """`type` is `ticket.` and what happened; `comment` belongs to `ticket.comment_added`."""

    type: str
    occurredAt: AwareDatetime  # noqa: N815 - the wire's own name, shown in errors
    sequence: Annotated[int, Field(ge=0, le=_MAX_SEQUENCE, strict=True)] | None = None
    ticket: WireTicket
    comment: WireComment | None = None


def read_envelope(body: bytes) -> Envelope:
    """The body's envelope. Raises `Invalid`: malformed_json, not_an_object, a field's fault."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Invalid("malformed_json") from None
    if not isinstance(value, dict):
        raise Invalid("not_an_object")
    return read_object(Envelope, value)


def essence(body: bytes) -> bytes:
    """The body with nothing but the fields named here; `read_envelope` takes it too."""
    return read_envelope(body).model_dump_json(exclude_none=True).encode()
