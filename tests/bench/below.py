"""Sub-collections and the change feed, on the service and the district of `reading.py`.

Each as a share of the yardstick at one connection, as pages and single objects are; the whole feed
is read by 1,000, as a vendor does that begins.
"""

from collections.abc import Sequence
from functools import partial
from time import perf_counter
from urllib.parse import urlencode

import orjson

from tests.bench.exchange import Exchange, request
from tests.bench.load import get, load
from tests.bench.measuring import Figures, Sample, Stalled
from tests.bench.serving import HOST

BASE = "/ims/oneroster/rostering/v1p2"
FEED_PAGE = 1_000
PLACES = {
    "read.below.class.1": f"{BASE}/classes/s001-k007/students",
    "read.below.person.1": f"{BASE}/users/s001-u0007/classes",
    "read.below.school.1": f"{BASE}/schools/s001/enrollments?limit=100",
}


def below(port: int, whole: str, school: str, *, seconds: float) -> Sequence[Sample]:
    """Samples for the vendors of two tokens: of the whole district, and of one school."""

    async def rate(row: str, path: str, token: str) -> Figures:
        asked = get(path, host=HOST, headers={"authorization": f"Bearer {token}"})
        done = await load(HOST, port, asked, connections=1, seconds=seconds)
        if set(done.statuses) != {200}:
            raise Stalled(f"{row}: answers other than 200: {sorted(done.statuses)}")
        return {row: done.requests_per_s}

    async def poll(row: str, token: str) -> Figures:
        """Nothing has changed since the reader's cursor."""
        cursor, _ = await _read_on(port, token)
        return await rate(row, f"/changes?{urlencode({'after': cursor})}", token)

    async def whole_feed() -> Figures:
        began = perf_counter()
        _, changes = await _read_on(port, whole)
        return {"feed.whole": changes / (perf_counter() - began)}

    return [
        *(partial(rate, row, path, whole) for row, path in PLACES.items()),
        partial(rate, "read.below.scoped.1", PLACES["read.below.class.1"], school),
        partial(rate, "feed.page.1", "/changes?limit=100", whole),
        partial(poll, "feed.poll.1", whole),
        partial(poll, "feed.school.1", school),
        whole_feed,
    ]


async def _read_on(port: int, token: str) -> tuple[str, int]:
    """All of a feed from its beginning: the last cursor, and how many changes there were."""
    line = Exchange(port)
    query, changes, more = {"limit": str(FEED_PAGE)}, 0, True
    while more:
        answer = await line.send(
            request(
                "GET",
                f"/changes?{urlencode(query)}",
                headers={"authorization": f"Bearer {token}"},
            )
        )
        if answer.status != 200:
            raise Stalled(f"feed: a page was answered with {answer.status}")
        page = orjson.loads(answer.body)
        query["after"] = page["next"]
        changes += len(page["changes"])
        more = page["hasMore"]
    line.close()
    return query["after"], changes
