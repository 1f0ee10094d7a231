"""OneRoster errors as sent: the bare status object. Source: OneRoster 1.2, imsx_StatusInfo."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Exception):
    """An error answer. `description` is ours and never holds a value of the roster."""

    http: int
    minor: str
    description: str
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())

    def body(self, message: str | None = None) -> bytes:
        """The answer's JSON; 1.1 wants the id of the `message` that is answered."""
        status = status_info("failure", "error", self.minor, self.description)
        return orjson.dumps(
            status if message is None else status | {"imsx_messageRefIdentifier": message}
        )


def status_info(major: str, severity: str, minor: str, description: str) -> dict[str, object]:
    """What both versions say of an error, and 1.1 of a warning."""
    field = {"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": minor}
    return {
        "imsx_codeMajor": major,
        "imsx_severity": severity,
        "imsx_description": description,
        "imsx_CodeMinor": {"imsx_codeMinorField": [field]},
    }


def bad_request(description: str, minor: str = "invaliddata") -> Fault:
    """400: the request cannot be read."""
    return Fault(http=400, minor=minor, description=description)


def unauthorised(description: str, ways: Sequence[bytes]) -> Fault:
    """401, with the `ways` to get in, which RFC 9110 wants beside the body."""
    return Fault(
        http=401,
        minor="unauthorisedrequest",
        description=description,
        headers=tuple((b"www-authenticate", way) for way in ways),
    )


def forbidden(description: str) -> Fault:
    """403: the token does not open this."""
    return Fault(http=403, minor="forbidden", description=description)


def not_found(description: str) -> Fault:
    """404: there is no such object in the grant's sight."""
    return Fault(http=404, minor="unknownobject", description=description)


def only_reads() -> Fault:
    """405, with what RFC 9110 wants beside the body."""
    return Fault(
        http=405,
        minor="invaliddata",
        description="this service only reads",
        headers=((b"allow", b"GET, HEAD"),),
    )


def gone(description: str) -> Fault:
    """410: the revision is no longer whole."""
    return Fault(http=410, minor="invaliddata", description=description)


def too_long(fields: Sequence[str], within_s: float) -> Fault:
    """400: no index helps, and looking at every row took too long."""
    return bad_request(
        f"every row had to be looked at for {' and '.join(fields)}, and that took more than"
        f" {within_s:g} s; add a clause by AND on a field with an index (sourcedId,"
        " dateLastModified, or the sourcedId of user, class or course), or leave the order to us"
    )


def busy(wait_s: int) -> Fault:
    """429: too much at once; whole seconds until it is worth asking again."""
    return Fault(
        http=429,
        minor="server_busy",
        description=f"too many requests at once; ask again in {wait_s} s",
        headers=((b"retry-after", str(wait_s).encode()),),
    )


def broken() -> Fault:
    """500, without inner text."""
    return Fault(http=500, minor="internal_server_error", description="the server could not answer")
