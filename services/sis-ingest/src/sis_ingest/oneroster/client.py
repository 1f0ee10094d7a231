"""Reads a OneRoster 1.1 or 1.2 provider page by page. I/O only through `Calls`.

Pages by limit and offset; `x-total-count` (or the count in ClassLink's `x-count`) and
`x-perm-rev` are honoured where a provider sends them. Without a total only an empty page is the
end: a provider may cap its pages below what we ask for. Source: oneroster.md §1, systems.md §1.3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

import orjson

from sis_ingest.domain.pulls import Page
from sis_ingest.ports.pulls import (
    FILTER_REFUSED,
    Answer,
    Begun,
    Calls,
    Finding,
    Item,
    SinceRefused,
    SourceAway,
    SourceRefused,
)

# What a provider commits while it answers may carry an earlier date than its answer.
_OVERLAP: Final = timedelta(minutes=2)
# A provider without a Date header: our clock and its own may differ by this much.
_BLIND_OVERLAP: Final = timedelta(minutes=10)
# Nothing changed after it: who heeds it answers with nothing.
_NEVER: Final = "2999-12-31T00:00:00.000Z"

SECTIONS: Final = (
    "orgs", "academicSessions", "courses", "classes", "users", "demographics", "enrollments",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What of a provider is read, and how: `path` stands before every section's name.

    `optional` sections may be refused or absent: the provider does not offer them, then. Those
    `always_whole` are read from their beginning even when only what changed is asked for.
    """

    path: str
    page_size: int
    sections: Sequence[str] = SECTIONS
    optional: frozenset[str] = frozenset({"demographics"})
    always_whole: frozenset[str] = frozenset()


def scopes(version: str) -> str:
    """What a token must be asked for. Source: 1EdTech security framework; systems.md §9."""
    spec = f"https://purl.imsglobal.org/spec/or/v{version.replace('.', 'p')}/scope"
    return f"{spec}/roster-core.readonly {spec}/roster-demographics.readonly"


class OneRosterClient:
    """`ports.pulls.PullClient`."""

    def __init__(self, provider: Provider, calls: Calls) -> None:
        self._provider = provider
        self._calls = calls

    async def begin(self, since: str | None, now: datetime) -> Begun:
        """See the port. One small page shows that we may read, and the provider's own time."""
        del since
        answer = await self._get("orgs", {"limit": "1", "offset": "0"})
        sections: dict[str, str | None] = {}
        for section in self._provider.sections:
            if section not in self._provider.optional or await self._offers(section):
                sections[section] = None
        return Begun(mark=_mark(answer, now), sections=sections)

    async def page(self, section: str, cursor: str | None, since: str | None) -> Page:
        """See the port. The cursor is the offset."""
        offset = int(cursor or "0")
        query = {"limit": str(self._provider.page_size), "offset": str(offset)}
        if since is not None and section not in self._provider.always_whole:
            query["filter"] = _after(since)
        try:
            answer = await self._get(section, query)
        except SourceRefused as refused:
            if offset == 0 and "filter" in query and await self._offers(section):
                raise SinceRefused(FILTER_REFUSED, field=section) from refused
            # Some have no page at all behind the last one. Its first page shows that the section
            # itself is there: while a server starts, all of it may be 404.
            if offset and refused.reason == "status_404" and await self._offers(section):
                return Page(items=(), next_cursor=None)
            raise
        items = _items(answer, section)
        total = _number(answer, "x-total-count")
        stated = _number(answer, "x-count")
        if stated is not None and stated != len(items):
            raise SourceAway("page_count_disagrees")
        read = offset + len(items)
        more = bool(items) and (total is None or read < total)
        return Page(
            items=items,
            next_cursor=str(read) if more else None,
            total=total,
            revision=answer.headers.get("x-perm-rev"),
        )

    async def one(self, section: str, item_id: str) -> Item | None:
        """See the port."""
        answer = await self._calls.send("GET", f"{self._provider.path}/{section}/{quote(item_id)}")
        if answer.status == 404:
            return None
        found = _object(answer)
        inner = next(iter(found.values()), None) if len(found) == 1 else found
        if not isinstance(inner, dict):
            raise SourceAway("unreadable_answer")
        return inner

    async def examine(self) -> Sequence[Finding]:
        """See the port: each section, with what the provider says of its size, and deltas."""
        findings: list[Finding] = []
        readable: list[str] = []
        for section in self._provider.sections:
            try:
                answer = await self._get(section, {"limit": "1", "offset": "0"})
                total = _number(answer, "x-total-count")
                detail = f"{total} in all" if total is not None else "readable, size not told"
                findings.append(Finding(what=section, ok=True, detail=detail))
                readable.append(section)
            except (SourceAway, SourceRefused) as error:
                optional = section in self._provider.optional
                findings.append(Finding(what=section, ok=optional, detail=error.reason))
        return [*findings, *await self._examine_deltas(readable)]

    async def _examine_deltas(self, readable: Sequence[str]) -> Sequence[Finding]:
        """Whether what changed is told. Where it is not all is well, and all is read each time."""
        asked = [one for one in readable if one not in self._provider.always_whole]
        refused: list[str] = []
        unheeded: list[str] = []
        for section in asked:
            query = {"limit": "1", "offset": "0", "filter": _after(_NEVER)}
            try:
                if _items(await self._get(section, query), section):
                    unheeded.append(section)
            except SourceRefused:
                refused.append(section)
            except SourceAway as away:
                return [Finding(what="deltas", ok=False, detail=away.reason)]
        if refused:
            detail = f"filter refused by {', '.join(refused)}: read in full, once a day"
        elif unheeded:
            detail = f"filter not heeded by {', '.join(unheeded)}: each delta reads all of it"
        else:
            detail = "what changed is told"
        return [Finding(what="deltas", ok=True, detail=detail)] if asked else []

    async def repair(self) -> Sequence[Finding]:
        """See the port: nothing of a provider is ours to put right."""
        return ()

    async def _offers(self, section: str) -> bool:
        try:
            await self._get(section, {"limit": "1", "offset": "0"})
        except SourceRefused:
            return False
        return True

    async def _get(self, section: str, query: Mapping[str, str]) -> Answer:
        answer = await self._calls.send("GET", f"{self._provider.path}/{section}", query=query)
        if answer.status != 200:
            raise SourceRefused(f"status_{answer.status}", field=section)
        return answer


def _after(moment: str) -> str:
    """The filter for what changed after a moment."""
    return f"dateLastModified>'{moment}'"


def _mark(answer: Answer, now: datetime) -> str:
    """A little before now by the clock that is behind: too early costs a reading, late a change."""
    try:
        theirs = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError, OverflowError):
        moment = now - _BLIND_OVERLAP
    else:
        # "-0000" is UTC too, but comes without a zone.
        theirs = theirs if theirs.tzinfo is not None else theirs.replace(tzinfo=UTC)
        moment = min(theirs, now) - _OVERLAP
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _object(answer: Answer) -> dict[str, Any]:
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise SourceAway("unreadable_answer") from error
    if not isinstance(body, dict):
        raise SourceAway("unreadable_answer")
    return body


def _items(answer: Answer, section: str) -> tuple[Item, ...]:
    """The list of the section's name, else the only one: granular endpoints name it by the entity.

    In 1.1 a list of warnings may stand beside it. Source: oneroster.md §1.6.
    """
    body = {name: value for name, value in _object(answer).items() if isinstance(value, list)}
    lists = [body[section]] if section in body else _without_warnings(body)
    if len(lists) != 1 or not all(isinstance(item, dict) for item in lists[0]):
        raise SourceAway("unreadable_answer")
    return tuple(lists[0])


def _without_warnings(lists: Mapping[str, list[Any]]) -> list[list[Any]]:
    return [value for name, value in lists.items() if "statusinfo" not in name.lower()]


def _number(answer: Answer, header: str) -> int | None:
    text = answer.headers.get(header, "").strip()
    return int(text) if text.isascii() and text.isdigit() else None
