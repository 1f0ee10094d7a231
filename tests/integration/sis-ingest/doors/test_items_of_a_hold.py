"""Whoever approves can see all that a hold keeps waiting, not a sample alone."""

import httpx2

from tests.support.holding import only_hold, roster
from tests.support.ingest_service import Ingest, token


async def test_all_that_a_hold_keeps_can_be_read_page_by_page(ingest: Ingest) -> None:
    await ingest.load(roster(*range(100)))
    await ingest.load(roster(*range(40, 100)))
    hold = await only_hold(ingest)

    async def page(query: str, who: dict[str, str] | None = None) -> httpx2.Response:
        url = f"/holds/{hold['holdId']}/items?{query}"
        return await ingest.http.get(url, headers=who or token("viewer"))

    first, last = await page("limit=30"), await page("limit=30&offset=30")

    pages = [first.json(), last.json()]
    assert [len(one["items"]) for one in pages] == [30, 10]
    assert {item["id"] for one in pages for item in one["items"]} == {f"u{n}" for n in range(40)}
    assert {item["action"] for one in pages for item in one["items"]} == {"remove"}
    assert {(one["total"], one["itemsHash"]) for one in pages} == {(40, hold["itemsHash"])}
    stranger = await page("limit=1", token("viewer", ["d2"]))
    assert (stranger.status_code, stranger.json()["code"]) == (404, "unknown_hold")
