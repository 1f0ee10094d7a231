"""Authority through the door of sis-ingest: flips asked for and waited for."""

from typing import Any

import httpx2

from tests.support.eventually import eventually
from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import user

STATE = "userMasterIdentifier"


async def put(
    ingest: Ingest, source: str | None, *, school: str | None = None, **query: Any
) -> httpx2.Response:
    """Ask for a flip."""
    return await ingest.http.put(
        "/authority",
        params=query,
        json={"district": "d1", "school": school, "source": source},
        headers=token("approver"),
    )


async def look(ingest: Ingest) -> dict[str, Any]:
    """The page of authority."""
    answer = await ingest.http.get("/authority", params={"district": "d1"}, headers=token("viewer"))
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def flipped(ingest: Ingest, source: str | None, **where: Any) -> dict[str, Any]:
    """A flip that is asked for and, unless it waits, done; its answer."""
    answer = await put(ingest, source, **where)
    assert answer.status_code == 200, answer.text
    await settled(ingest)
    page: dict[str, Any] = answer.json()
    return page


async def settled(ingest: Ingest) -> None:
    """Wait until no flip is under way."""

    async def done() -> bool:
        flip = (await look(ingest))["flip"]
        return flip is None or flip["state"] == "held"

    await eventually(done, within_s=60, what="the flip is settled")


async def one_school(ingest: Ingest, *sources: str) -> None:
    """The sources mean the same school."""
    for source in sources:
        await ingest.pool.execute(
            "INSERT INTO sis_ingest.crosswalk (district_id, source_id, entity, external_id,"
            " entity_id, match_rule, decided_by, valid_from)"
            " VALUES ('d1', $1, 'org', 'school-1', 'school-1', 'test', 'rule', now())",
            source,
        )
        data = {"sourcedId": "school-1", "name": "S", "type": "school", "identifier": "1"}
        await ingest.send("orgs.upserted", data, source=source)
    await ingest.settled()


async def say(ingest: Ingest, source: str, number: int, given: str, *, at: int = 0) -> None:
    """One person of a source, by state id."""
    who = {**user(f"{source}-{number}", given=given), STATE: f"S{number}"}
    await ingest.send("users.upserted", who, source=source, at=at)
