"""What a hold keeps waiting: an approver sees all of it, and an older word changes nothing of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

from tests.support.holding import decide, only_hold, released, roster
from tests.support.ingest_service import Ingest, running_ingest, token
from tests.support.ingesting import SECRET, user


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


async def test_an_older_file_does_not_change_what_waits(ingest_url: str, tmp_path: Path) -> None:
    """A new person waits as a webhook worded them; a file of an hour before knows them, too."""
    limits = {"user.add": {"count": 0, "share": 0}}
    sources = [{"id": "sis", "district": "d1", "secrets": [SECRET], "limits": limits}]
    async with running_ingest(ingest_url, tmp_path, sources=sources) as ingest:
        await ingest.load(roster(*range(10)))
        await ingest.send("users.upserted", user("u10", given="Bea"), at=3600)
        await ingest.settled()
        seen = await only_hold(ingest)
        before = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        answer = await ingest.http.post(
            "/snapshots/sis", params={"asOf": before}, content=roster(*range(11)), headers=token()
        )
        report = await ingest.ended(answer.json()["runId"])
        hold = await only_hold(ingest)
        await decide(ingest, hold, "approve", itemsHash=hold["itemsHash"])
        await released(ingest, hold)

        assert (await ingest.people())["u10"] == "Bea"
    assert hold["itemsHash"] == seen["itemsHash"]
    assert report["additions"]["held"] == 1
