"""The change feed: a grant's view in the order in which it changed, and cursors over it. Pure.

One order: the stamp of the commit, then the publishing order of entities, then the id. Each record
stands in it once, at its newest version, so what changes again moves to the end. A cursor names a
spot in that order, what the grant showed, and how new the roster was when the reader began.
Source: blueprint, invariants 5 to 7; ADR 0025.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import orjson

from roster_publisher.domain.access import Grant
from roster_publisher.domain.collections import COLLECTIONS, Collection
from roster_publisher.domain.records import ORDER_OF, Entity, Status

GRANT_CHANGED: Final = "grant.changed"
FEED_RESTARTED: Final = "feed.restarted"
DEFAULT_CHANGES: Final = 1_000
MOST_CHANGES: Final = 5_000

# The collections that hold every record once, in publishing order.
FED: Final[Sequence[Collection]] = sorted(
    (
        COLLECTIONS[path]
        for path in (
            "orgs",
            "academicSessions",
            "courses",
            "classes",
            "users",
            "demographics",
            "enrollments",
        )
    ),
    key=lambda one: ORDER_OF[one.entity],
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_LAST_MS: Final = 253_402_300_799_000
_BEHIND_ALL: Final = 99
_FORM: Final = re.compile(
    r"1:([0-9a-f]{16}):([0-9]{1,15})?:([0-9]{1,15}):(-1|[0-9]{1,2}):(.*)", re.DOTALL
)


class BadCursor(ValueError):
    """The text is no cursor that we gave out."""


class Spot(NamedTuple):
    """A place in the order: stamp in milliseconds since 1970, place of the entity, id."""

    stamp_ms: int
    order: int
    sourced_id: str


START: Final = Spot(0, -1, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Everything up to `spot` was read; `began_ms` is the newest stamp when the reader began.

    `began_ms` None: nothing was read yet.
    """

    shows: str
    spot: Spot = START
    began_ms: int | None = None

    def misses(self, purged_ms: int) -> bool:
        """Whether a deletion stamped `purged_ms`, no longer told, is one the reader needed.

        What was gone before the reader began, it never had.
        """
        return self.began_ms is not None and purged_ms > max(self.began_ms, self.spot.stamp_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A record as a grant sees it now. `body` is as the collection gives it before narrowing, and
    `into` that of what stands for a merged one.
    """

    stamp_ms: int
    status: Status
    merged_into: str | None
    body: bytes
    into: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldChange:
    """One change as told: `text` is its JSON object in UTF-8; `cursor` is where a reader stands
    behind it.
    """

    type: str
    text: bytes
    cursor: Cursor
    stamp_ms: int


def opened(token_scopes: Iterable[str]) -> Sequence[Collection]:
    """What token scopes open of the feed, in its order."""
    scopes = frozenset(token_scopes)
    return [one for one in FED if one.scopes & scopes]


def told_entities(changes: Iterable[ToldChange]) -> tuple[Entity, ...]:
    """Of which entities something was told, in the feed's order."""
    plurals = {one.type.partition(".")[0] for one in changes}
    return tuple(one.entity for one in FED if one.plural in plurals)


def shown_by(grant: Grant, collections: Iterable[Collection]) -> str:
    """16 hexadecimal digits that are another when the grant, or what of it is opened, shows
    something else.
    """
    whole = repr((grant.district_id, grant.client_id, grant.shows, [c.path for c in collections]))
    return hashlib.blake2b(whole.encode(), digest_size=8).hexdigest()


def end_of(stamp_ms: int) -> Spot:
    """Behind everything stamped `stamp_ms`."""
    return Spot(stamp_ms, _BEHIND_ALL, "")


def encode(cursor: Cursor) -> str:
    """The cursor as readers keep it: opaque text, safe in an address."""
    began = "" if cursor.began_ms is None else str(cursor.began_ms)
    stamp_ms, order, sourced_id = cursor.spot
    plain = f"1:{cursor.shows}:{began}:{stamp_ms}:{order}:{sourced_id}"
    return base64.urlsafe_b64encode(plain.encode()).rstrip(b"=").decode()


def decode(text: str) -> Cursor:
    """The cursor in `text`. Raises `BadCursor`; a cursor opens nothing, so it is not signed."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found = _FORM.fullmatch(plain.decode())
    except (binascii.Error, ValueError) as error:
        raise BadCursor(text) from error
    if found is None:
        raise BadCursor(text)
    shows, began, stamp_ms, order, sourced_id = found.groups()
    # No id holds a NUL, and the store cannot be asked for one.
    if "\x00" in sourced_id or max(int(began or 0), int(stamp_ms)) > _LAST_MS:
        raise BadCursor(text)
    return Cursor(
        shows=shows,
        spot=Spot(int(stamp_ms), int(order), sourced_id),
        began_ms=int(began) if began else None,
    )


def told(collection: Collection, spot: Spot, version: Version, *, cursor: Cursor) -> ToldChange:
    """A version as told; its bodies are whole, and `merged_into` is there to be told.

    A merge tells what stands for the ended id along with it: a reader may not have heard of it yet.
    """
    merged = version.status == "tobedeleted" and version.merged_into is not None
    what = "merged" if merged else "deleted" if version.status == "tobedeleted" else "upserted"
    kind = f"{collection.path}.{what}"
    body: dict[str, object] = {"type": kind, "sourcedId": spot.sourced_id}
    if merged:
        body["mergedInto"] = version.merged_into
    body["data"] = orjson.Fragment(version.body)
    if merged and version.into is not None:
        body["into"] = orjson.Fragment(version.into)
    return ToldChange(
        type=kind,
        text=orjson.dumps(body),
        cursor=cursor,
        stamp_ms=spot.stamp_ms,
    )


def grant_changed(restart: Cursor, newest_ms: int) -> ToldChange:
    """What a reader held is no longer what the grant shows: all of the view follows anew."""
    return _plain(GRANT_CHANGED, restart, newest_ms)


def feed_restarted(restart: Cursor, newest_ms: int) -> ToldChange:
    """Deletions may have been missed: all of the view follows anew."""
    return _plain(FEED_RESTARTED, restart, newest_ms)


def _plain(kind: str, restart: Cursor, newest_ms: int) -> ToldChange:
    text = orjson.dumps({"type": kind})
    return ToldChange(type=kind, text=text, cursor=restart, stamp_ms=newest_ms)


def to_ms(stamp: datetime) -> int:
    """Milliseconds since 1970; stamps are whole milliseconds."""
    return (stamp - _EPOCH) // _MS


def from_ms(stamp_ms: int) -> datetime:
    """The instant, UTC."""
    return _EPOCH + stamp_ms * _MS
