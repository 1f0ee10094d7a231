"""Holds through the door of sis-ingest, and the small rosters that fill them."""

from collections import Counter
from typing import Any

import httpx2

from tests.support.eventually import eventually
from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import district, enrollment_row, user_row


def people(*numbers: int, given: str = "Ada") -> list[tuple[str, ...]]:
    """Rows of these users."""
    return [tuple(user_row(f"u{n}", given=given)) for n in numbers]


def one_class(*numbers: int) -> list[tuple[str, ...]]:
    """Rows of their enrollments in the one class."""
    return [tuple(enrollment_row(f"e{n}", f"u{n}")) for n in numbers]


def roster(*numbers: int, given: str = "Ada") -> bytes:
    """These users, and always the same enrollments, so that users alone are judged."""
    return district(people(*numbers, given=given), one_class(*range(3)))


def open_holds(page: dict[str, Any]) -> list[tuple[str, str, int]]:
    """(entity, operation, count) of each hold of a page."""
    return [(hold["entity"], hold["operation"], hold["count"]) for hold in page["holds"]]


async def holds(ingest: Ingest, query: str = "") -> dict[str, Any]:
    """The page of holds."""
    answer = await ingest.http.get(f"/holds{query}", headers=token("viewer"))
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def only_hold(ingest: Ingest) -> dict[str, Any]:
    """The one open hold."""
    (hold,) = (await holds(ingest))["holds"]
    return dict(hold)


async def decide(
    ingest: Ingest, hold: dict[str, Any], verb: str, *, who: str = "test", **body: Any
) -> httpx2.Response:
    """An approver approves or rejects a hold."""
    url = f"/holds/{hold['holdId']}/{verb}"
    return await ingest.http.post(url, json=body, headers=token("approver", subject=who))


async def released(ingest: Ingest, hold: dict[str, Any]) -> dict[str, Any]:
    """The hold, once what was approved is done."""

    async def end() -> dict[str, Any] | None:
        answer = await ingest.http.get(f"/holds/{hold['holdId']}", headers=token("viewer"))
        page: dict[str, Any] = answer.json()
        return page if page["endedAt"] else None

    return await eventually(end, within_s=60, what="the hold is released")


async def outcomes(ingest: Ingest) -> Counter[str]:
    """How many webhooks ended how."""
    rows = await ingest.pool.fetch("SELECT reason FROM sis_ingest.delivery WHERE kind = 'webhook'")
    return Counter(row["reason"] for row in rows)
