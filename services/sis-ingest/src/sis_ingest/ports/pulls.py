"""What reading a source's own interface needs: polite HTTP, a client per vendor, a wording.

A vendor room (sources/<sis>/) takes its shapes from here; where pulls are kept: `pull_stores`.
Imports the domain and the roads of failure only.
"""

from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol, TypeAlias

from roster_common.errors import Invalid, Retriable
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.pulls import Page
from sis_ingest.domain.records import Record
from sis_ingest.domain.schedule import Schedule

Item: TypeAlias = Mapping[str, Any]
Auth: TypeAlias = Literal["oauth2", "oauth1_sha1", "oauth1_sha256", "none"]


class SourceAway(Retriable):
    """The source did not answer as it should; `reason` is a stable code."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class SourceRefused(Invalid):
    """The source answered, and said no: asking again changes nothing until somebody acts."""


class SinceRefused(SourceRefused):
    """The source knows nothing of the mark from which a delta was to begin, or will not say what
    changed since: all of it is to be read. The reason is a stable code.
    """


# Why a source could not be asked for a delta: what stands behind `Pull.full_because`.
MARK_UNKNOWN: Final = "mark_unknown"
FILTER_REFUSED: Final = "filter_refused"


# What an answer or an item of a shape nobody foresaw makes a room raise.
ODD: Final = (TypeError, KeyError, AttributeError, ValueError, IndexError)
# Why such an item is refused.
UNREADABLE: Final = "unreadable_item"

# Who we are there was refused, not what we asked for: once access is put right all can be read.
ACCESS_REFUSED: Final = frozenset({"unauthorized", "forbidden", "token_refused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where a source is and who we are there. `options` are words of its kind, see its README.

    `secrets` are those of its webhooks, for rooms that set a subscription up.
    """

    base_url: str
    client_id: str
    page_size: int
    options: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the source answered: status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Calls(Protocol):
    """HTTP to one source: signed in, within its pace, with time-outs, retries and a breaker."""

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """The answer, below 500 and not 429. `path` is under the base address.

        Raises `SourceAway`, or `SourceRefused` when signing in is refused.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a pull will read: sections with their first cursors; `mark` see `Pull`."""

    mark: str | None
    sections: Mapping[str, str | None]


class PullClient(Protocol):
    """Speaks one kind of source's own interface, through `Calls`."""

    async def begin(self, since: str | None, now: datetime) -> Begun:
        """What to read: everything, or what changed after the mark `since`.

        Raises `SinceRefused`, `SourceAway` or `SourceRefused`.
        """
        ...

    async def page(self, section: str, cursor: str | None, since: str | None) -> Page:
        """One page. Raises `SourceAway` or `SourceRefused`; `SinceRefused` where the section can be
        read, but not since then.
        """
        ...

    async def one(self, section: str, item_id: str) -> Item | None:
        """One item as `page` would give it; None when the source has it no more.

        Raises `SourceAway`, or `SourceRefused` when access or this one item is refused.
        """
        ...

    async def examine(self) -> Sequence["Finding"]:
        """What is well and what is not with access, limits and subscriptions."""
        ...

    async def repair(self) -> Sequence["Finding"]:
        """Puts right what `examine` found and this side may put right. May run twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of an examination: `detail` has no secret and no student in it."""

    what: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What an item says of one record: its outside id, trimmed, and what it will be read from."""

    external_id: str
    content: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A piece as read: a canonical record with outside ids; None when only its end is known."""

    record: Record | None
    deleted: bool


class Wording(Protocol):
    """How a source words its items; pure, bound to what all of its items say together."""

    def pieces(self, entity: Entity, section: str, item: Item) -> Iterable[Piece]:
        """Cheap: what the item says of records of one entity."""
        ...

    def read(self, entity: Entity, section: str, piece: Piece) -> Fact:
        """The costly step. Raises `Invalid` naming the source's own field."""
        ...


Sections: TypeAlias = Callable[[str], Iterator[Item]]


def nothing_but_its_id(_section: str, item_id: str) -> Item:
    """An item that is gone, as most sources would word it."""
    return {"sourcedId": item_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSpec:
    """How a kind of source is pulled. `entities`, in import order, name their sections.

    `wording` is given the items of any section, for what one item cannot know by itself; without
    sections at hand (a single record read anew) it is given empty ones. `meaning` is to be raised
    whenever an item comes to mean another record. `volatile` names fields that say nothing.
    `repeating` are sections that list one item at many places, alike each time. `gone` is the item
    that stands for one that the source has no more. `token_query` is what the address for tokens
    carries. `defaults` are settings of a pull as an operator would write them, in force where none
    does; `most_at_once` bounds its concurrency. `options` are the words a room knows,
    with all values of those that have few; None leaves them unchecked. `needs` may not be missing.
    """

    connect: Callable[[Access, Calls], PullClient]
    entities: Mapping[Entity, tuple[str, ...]]
    wording: Callable[[Sections, Access], Wording]
    meaning: int = 1
    volatile: frozenset[str] = frozenset()
    repeating: frozenset[str] = frozenset()
    gone: Callable[[str, str], Item] = nothing_but_its_id
    token_url: Callable[[Access], str] | None = None
    scope: Callable[[Access], str] | None = None
    token_query: Callable[[Access], Mapping[str, str]] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    most_at_once: int = 16
    options: Mapping[str, Collection[str]] | None = None
    needs: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulling:
    """One configured source as it is pulled."""

    access: Access
    client: PullClient
    spec: PullSpec
    schedule: Schedule
