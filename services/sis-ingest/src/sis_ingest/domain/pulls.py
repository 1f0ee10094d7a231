"""A pull: reading a source's own interface, page by page, into a raw file. Pure.

A section is one collection of the source's interface. What a full pull read of it counts as the
whole of it only if nothing moved meanwhile and nothing is missing; else it removes nobody.
Source: systems.md §8 (PSD AI Studio), ADR 0015.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

import orjson

from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.schedule import PullMode

PullState: TypeAlias = Literal["waiting", "running", "completed", "failed"]

# How often a pull is read from its beginning again; then what comes is kept, and is not whole.
MAX_RESTARTS: Final = 3
# A pull taken up again later than this is begun again: its pages would be of two days.
MAX_AGE: Final = timedelta(hours=6)
# More than any section has: a source that never ends one is not read for ever.
MAX_PAGES: Final = 200_000
_DIGEST_BYTES: Final = 8
# Failures in a row, without a page between them, after which a pull ends.
MAX_FAILURES: Final = 8
# Before a pull whose run was not taken is followed by another one, which may well say the same.
_REST_AFTER_REFUSAL: Final = timedelta(minutes=30)
COUNT_DISAGREES: Final = "count_disagrees"
# A full pull found nothing of a section, which the source may have said by mistake.
EMPTY_SECTION: Final = "empty_section"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a source: items as it words them. `next_cursor` None ends the section.

    `total` is how many items the source says the section has, `revision` the state it shows.
    `fault` says why the page cannot be all that it should be.
    """

    items: tuple[Mapping[str, Any], ...]
    next_cursor: str | None
    total: int | None = None
    revision: str | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """How far one section has come. `size` is the bytes of its raw file that count.

    `digest` tells the last page from the next one.
    """

    cursor: str | None
    done: bool = False
    size: int = 0
    pages: int = 0
    items: int = 0
    total: int | None = None
    revision: str | None = None
    fault: str | None = None
    digest: str | None = None

    @property
    def whole(self) -> bool:
        """Whether what was read is all that the source has of it."""
        return self.done and self.fault is None and self.items > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """One pull, from due to its end.

    `since` is the mark of the last good pull: a delta begins there, and the mark stays there where
    something was missed. `mark` is where the next one begins if this one ends well. Both are the
    source's own words. `full_because` says why what was to be a delta became a full one.
    """

    pull_id: str
    correlation_id: str
    place: Place
    mode: PullMode
    state: PullState
    asked_at: datetime
    since: str | None = None
    mark: str | None = None
    dry_run: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    failures: int = 0
    restarts: int = 0
    reason: str | None = None
    full_because: str | None = None
    run_id: str | None = None
    sections: Mapping[str, Section] = field(default_factory=dict)

    def with_section(self, name: str, section: Section) -> "Pull":
        """A copy with one section replaced; a page that was read ends a row of failures."""
        return replace(self, failures=0, sections={**self.sections, name: section})

    @property
    def asks_since(self) -> str | None:
        """The mark from which the source is asked; None when it is to tell everything."""
        return self.since if self.mode == "delta" else None

    @property
    def items(self) -> int:
        """Items read so far."""
        return sum(section.items for section in self.sections.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a source stands: when its last good pull ended, and how its newest one is doing.

    A pull is good once its run has completed. While the newest one's is under way it is
    `importing`; a run that was refused, or gave up, at `refused_at` makes it a failed one.
    """

    good_at: datetime | None = None
    state: PullState | None = None
    failures: int = 0
    reason: str | None = None
    importing: bool = False
    refused_at: datetime | None = None

    def may_be_followed(self, now: datetime) -> bool:
        """Whether the schedule may begin the next: where it begins depends on the run's end."""
        if self.importing:
            return False
        return self.refused_at is None or now - self.refused_at >= _REST_AFTER_REFUSAL

    @property
    def well(self) -> bool:
        """Whether nothing is in the way of its pulls as far as we know."""
        return self.state != "failed" and self.failures == 0


class RevisionMoved(Exception):
    """The source changed under the pull: what was read belongs to two states."""


def after_page(
    section: Section, page: Page, *, size: int, again: bool = True, repeating: bool = False
) -> Section:
    """The section once a page of it is on disk.

    Raises `RevisionMoved` if it may be read `again`; else the move is a fault of the section.

    A page that says what the one before said is none: a source that heeds no cursor would say it
    for ever. It ends the section and counts nothing, unless the section is a `repeating` one.
    """
    if section.pages and page.revision != section.revision:
        if again:
            raise RevisionMoved
        page = replace(page, fault="revision_moved")
    digest = _digest(page)
    if page.items and digest == section.digest and not repeating:
        return replace(section, cursor=None, done=True, fault="repeated_page")
    read = replace(
        section,
        cursor=page.next_cursor,
        done=page.next_cursor is None,
        size=size,
        pages=section.pages + 1,
        items=section.items + len(page.items),
        total=page.total,
        revision=page.revision,
        digest=digest,
    )
    if read.pages >= MAX_PAGES and not read.done:
        return replace(read, cursor=None, done=True, fault="too_many_pages")
    return replace(read, fault=_fault(section, read) or page.fault)


def may_restart(pull: Pull) -> bool:
    """Whether the pull may be read from its beginning once more."""
    return pull.restarts < MAX_RESTARTS


def _digest(page: Page) -> str:
    said = orjson.dumps(page.items)
    return hashlib.blake2b(said, digest_size=_DIGEST_BYTES).hexdigest()


def _fault(before: Section, read: Section) -> str | None:
    if before.pages and before.total != read.total:
        return "total_moved"
    if read.done and read.total is not None and read.items != read.total:
        return COUNT_DISAGREES
    return before.fault


def whole(pull: Pull, name: str) -> bool:
    """Whether absence from a section says that a record is gone."""
    return pull.mode == "full" and pull.sections[name].whole


def faults(pull: Pull) -> Mapping[str, str]:
    """Why sections are not whole; one in which nothing changed is no fault of a delta."""
    if pull.mode != "full":
        return {name: one.fault for name, one in pull.sections.items() if one.fault is not None}
    return {
        name: section.fault or EMPTY_SECTION
        for name, section in pull.sections.items()
        if not section.whole
    }


def next_mark(pull: Pull) -> str | None:
    """Where the next delta begins: no delta behind it would tell of what was missed.

    A section in which nothing stands is no fault here: some districts have no demographics. With no
    mark before it, one that missed something moves it all the same: better late than never a delta.
    """
    missed = any(one.fault is not None for one in pull.sections.values())
    return pull.since if missed and pull.since is not None else pull.mark
