"""Replays through the door of sis-ingest."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from tests.support.eventually import eventually
from tests.support.ingest_service import Ingest, token


async def ask(ingest: Ingest, *, role: str = "operator", **body: Any) -> httpx2.Response:
    """Asks for a replay in d1 unless told."""
    wish = {"district": "d1", **body}
    return await ingest.http.post("/replay", json=wish, headers=token(role))


def today(source: str = "sis") -> dict[str, str]:
    """Everything a source sent of late."""
    now = datetime.now(UTC)
    return {
        "source": source,
        "from": (now - timedelta(days=1)).isoformat(),
        "to": (now + timedelta(minutes=1)).isoformat(),
    }


async def ended(ingest: Ingest, replay_id: str) -> dict[str, Any]:
    """The report of a replay, once it has ended."""

    async def end() -> dict[str, Any] | None:
        answer = await ingest.http.get(f"/replay/{replay_id}", headers=token("viewer"))
        page: dict[str, Any] = answer.json()
        return page if page["finishedAt"] else None

    return await eventually(end, within_s=30, what="the replay ends")


async def replayed(ingest: Ingest, **body: Any) -> dict[str, Any]:
    """A replay that must be taken; its report."""
    answer = await ask(ingest, **body)
    assert answer.status_code == 202, answer.text
    return await ended(ingest, answer.json()["replayId"])


def said(report: dict[str, Any]) -> dict[str, int]:
    """The counts of a report that are not zero."""
    names = ("total", "read", "changed", "unchanged", "stale", "held", "refused")
    return {name: report[name] for name in names if report[name]}
