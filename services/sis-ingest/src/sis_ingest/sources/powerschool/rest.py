"""PowerSchool's `/ws/v1` through `Calls`: pages by number, counts, single records.

A list of one comes as its element, an empty page has no list at all. Source: systems.md §1.1.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import orjson

from sis_ingest.ports.pulls import Answer, Calls, Item, SourceAway, SourceRefused

BASE: Final = "/ws/v1"
EXPANSIONS: Final[Mapping[str, str]] = {
    "student": "demographics,school_enrollment,contact_info",
    "staff": "emails,school_affiliations",
}
_JSON: Final = {"content-type": "application/json"}


class Rest:
    """The records of one PowerSchool. `most` bounds a page, whatever the source would allow."""

    def __init__(self, calls: Calls, *, most: int) -> None:
        self._calls = calls
        self._most = most
        self._sizes: Mapping[str, Any] = {}

    async def metadata(self) -> Mapping[str, Any]:
        """What an administrator allows: largest pages, the district's zone and id."""
        found = (await self.get(f"{BASE}/metadata")).get("metadata")
        if not isinstance(found, dict):
            raise SourceAway("unreadable_answer")
        self._sizes = found
        return found

    async def page_size(self, resource: str) -> int:
        """The largest page of a resource that both sides want."""
        if not self._sizes:
            await self.metadata()
        allowed = str(self._sizes.get(f"{resource}_max_page_size", ""))
        return min(self._most, int(allowed)) if allowed.isdigit() else self._most

    async def page(self, resource: str, path: str, number: int) -> list[Item]:
        """One page of a collection, counted from 1."""
        size = await self.page_size(resource)
        query = {"page": str(number), "pagesize": str(size), **self._expanded(resource)}
        body = await self.get(f"{BASE}/{path}", query)
        wrapped = next((value for value in body.values() if isinstance(value, dict)), {})
        found = wrapped.get(resource, [])
        items = found if isinstance(found, list) else [found]
        if not all(isinstance(item, dict) for item in items):
            raise SourceAway("unreadable_answer")
        return items

    async def every(self, resource: str, path: str) -> AsyncIterator[Item]:
        """All items of a collection, page by page."""
        number, size = 1, await self.page_size(resource)
        before: list[Item] = []
        while True:
            items = await self.page(resource, path, number)
            if items and items == before:
                # One that heeds no page number would say it for ever.
                raise SourceAway("repeated_page")
            for item in items:
                yield item
            if len(items) < size:
                return
            number, before = number + 1, items

    async def count(self, path: str) -> int:
        """How many items a collection has."""
        found = (await self.get(f"{BASE}/{path}/count")).get("resource")
        number = found.get("count") if isinstance(found, dict) else None
        if not isinstance(number, int):
            raise SourceAway("unreadable_answer")
        return number

    async def one(self, resource: str, number: str) -> Item | None:
        """One record by DCID; None when there is none. Raises `SourceRefused` if it is refused."""
        answer = await self._send("GET", f"{BASE}/{resource}/{number}", self._expanded(resource))
        if answer.status == 404:
            return None
        if answer.status in range(400, 500):
            raise SourceRefused(f"status_{answer.status}", field=resource)
        found = _object(answer).get(resource)
        if answer.status != 200 or not isinstance(found, dict):
            raise SourceAway("unreadable_answer")
        return found

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Any page as an object. Raises `SourceRefused` with the status unless it is 200."""
        answer = await self._send("GET", path, query)
        if answer.status != 200:
            raise SourceRefused(f"status_{answer.status}", field=path.rsplit("/", 1)[-1])
        return _object(answer)

    async def subscription(self) -> Mapping[str, Any]:
        """The event subscription that stands; empty if none does."""
        answer = await self._send("GET", f"{BASE}/event_subscription")
        if answer.status == 404:
            return {}
        found = _object(answer).get("event_subscriptions")
        return found if isinstance(found, dict) else {}

    async def subscribe(self, wanted: Mapping[str, Any]) -> None:
        """Replaces the whole event subscription. Raises `SourceRefused`. May run twice."""
        answer = await self._calls.send(
            "PUT",
            f"{BASE}/event_subscription",
            headers=_JSON,
            body=orjson.dumps({"event_subscriptions": wanted}),
        )
        if answer.status not in (200, 201, 204):
            raise SourceRefused(f"status_{answer.status}", field="event_subscription")

    async def _send(self, method: str, path: str, query: Mapping[str, str] | None = None) -> Answer:
        return await self._calls.send(method, path, query=query)

    def _expanded(self, resource: str) -> dict[str, str]:
        wanted = EXPANSIONS.get(resource)
        return {} if wanted is None else {"expansions": wanted}


def _object(answer: Answer) -> dict[str, Any]:
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise SourceAway("unreadable_answer") from error
    if not isinstance(body, dict):
        raise SourceAway("unreadable_answer")
    return body
