"""Any sequence of webhooks, re-sends, merges, splits and undos ends in what a plain model says.

The model knows nothing of how decisions are carried out: it reads who means whom today and what
each source said last, and works every record out anew.
"""

from datetime import datetime
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import enrollment, user

OUTSIDE = [(source, f"p{n}") for source in ("sis", "sis-2") for n in range(3)]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "enrol", "leave", "merge", "merge", "split", "undo", "repeat"]),
        st.integers(0, len(OUTSIDE) - 1),
        st.integers(0, len(OUTSIDE) - 1),
    ),
    min_size=5,
    max_size=14,
)


class World:
    """Sends what a step says; remembers decisions, and what each merge was made upon."""

    def __init__(self, ingest: Ingest) -> None:
        self.ingest = ingest
        self.clock = 0
        self.last: tuple[str, dict[str, Any], str] | None = None
        self.decisions: list[str] = []
        self.before: dict[str, Any] = {}

    async def step(self, what: str, one: int, other: int) -> None:
        source, outside = OUTSIDE[one]
        self.clock += 1
        match what:
            case "say":
                await self._send("users.upserted", user(outside, given=f"Ada {self.clock}"), source)
            case "enrol":
                record = enrollment(f"{source}-e{one}", user_id=outside)
                await self._send("enrollments.upserted", record, source)
            case "leave":
                await self._send("users.deleted", {"sourcedId": outside}, source)
            case "repeat" if self.last is not None:
                await self._send(*self.last)
            case "merge":
                await self._merge(OUTSIDE[one], OUTSIDE[other])
            case "split":
                await self._split(source, outside)
            case "undo" if self.decisions:
                await self._undo(self.decisions[one % len(self.decisions)])

    async def _send(self, kind: str, data: dict[str, Any], source: str) -> None:
        self.last = (kind, data, source)
        answer = await self.ingest.send(kind, data, source=source, at=self.clock)
        assert answer.status_code == 202
        await self.ingest.settled()

    async def _merge(self, *pair: tuple[str, str]) -> None:
        now = await meanings(self.ingest)
        keep, merge = (now.get(one) for one in pair)
        if keep and merge and keep != merge:
            before = await truth(self.ingest)
            body = {"district": "d1", "entity": "user", "keep": keep, "merge": merge}
            await self._decide("merge", body, before)

    async def _split(self, source: str, outside: str) -> None:
        now = await meanings(self.ingest)
        ours = now.get((source, outside))
        if list(now.values()).count(ours or "") > 1:
            named = [{"source": source, "externalId": outside}]
            body = {"district": "d1", "entity": "user", "id": ours, "outside": named}
            await self._decide("split", body, await truth(self.ingest))

    async def _decide(self, door: str, body: dict[str, Any], before: Any) -> None:
        answer = await self._post(door, body)
        assert answer.status_code == 200, answer.text
        decision = answer.json()["decisionId"]
        self.decisions.append(decision)
        self.before = {decision: (before, await sources(self.ingest))}

    async def _undo(self, decision: str) -> None:
        answer = await self._post("undo", {"decisionId": decision})
        assert answer.status_code in (200, 409), answer.text
        if answer.status_code == 200 and answer.json()["moves"] and decision in self.before:
            before, said = self.before[decision]
            if said == await sources(self.ingest):
                assert await truth(self.ingest) == before

    async def _post(self, door: str, body: dict[str, Any]) -> Any:
        return await self.ingest.http.post(
            f"/crosswalk/{door}", json=body, headers=token("approver")
        )


async def meanings(ingest: Ingest) -> dict[tuple[str, str], str]:
    rows = await ingest.pool.fetch(
        "SELECT source_id, external_id, entity_id FROM sis_ingest.crosswalk"
        " WHERE entity = 'user' AND valid_to IS NULL"
    )
    return {(row["source_id"], row["external_id"]): row["entity_id"] for row in rows}


async def truth(ingest: Ingest) -> dict[tuple[str, str], Any]:
    rows = await ingest.pool.fetch(
        "SELECT entity, entity_id, data FROM sis_ingest.resolved_record WHERE NOT deleted"
    )
    return {(row["entity"], row["entity_id"]): orjson.loads(row["data"]) for row in rows}


async def sources(ingest: Ingest) -> list[Any]:
    rows = await ingest.pool.fetch(
        "SELECT source_id, entity, external_id, data, deleted FROM sis_ingest.source_record"
        " ORDER BY 1, 2, 3"
    )
    return [tuple(row) for row in rows]


async def worked_out(ingest: Ingest) -> dict[tuple[str, str], Any]:
    """Every record that lives, from nothing but meanings and what sources said."""
    rows = await ingest.pool.fetch(
        "SELECT source_id, entity, external_id, entity_id, valid_from, valid_to"
        " FROM sis_ingest.crosswalk"
    )
    now, since = {}, {}
    for row in rows:
        key = (row["source_id"], row["entity"], row["external_id"])
        pair = (*key, row["entity_id"])
        since[pair] = min(since.get(pair, row["valid_from"]), row["valid_from"])
        if row["valid_to"] is None:
            now[key] = row["entity_id"]
    best: dict[tuple[str, str], tuple[tuple[datetime, str, str], Any]] = {}
    for source, entity, outside, data, deleted in await sources(ingest):
        if deleted or data is None:
            continue
        ours = now[source, entity, outside]
        age = (since[source, entity, outside, ours], source, outside)
        record = {**orjson.loads(data), "sourcedId": ours}
        for name, space in (("user", "user"), ("class", "class"), ("school", "org")):
            if name in record:
                record[name]["sourcedId"] = now[source, space, record[name]["sourcedId"]]
        for role in record.get("roles", ()):
            role["org"]["sourcedId"] = now[source, "org", role["org"]["sourcedId"]]
        key = (entity, ours)
        if key not in best or age < best[key][0]:
            best[key] = (age, record)
    return {key: record for key, (_, record) in best.items()}


async def owners(ingest: Ingest) -> dict[str, set[tuple[str, str]]]:
    """Every outside id that ever meant each of our ids, by whichever way it first got it."""
    rows = await ingest.pool.fetch(
        "SELECT source_id, external_id, entity_id FROM sis_ingest.crosswalk"
        " WHERE entity = 'user' AND match_rule <> 'operator'"
    )
    found: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        found.setdefault(row["entity_id"], set()).add((row["source_id"], row["external_id"]))
    return found


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
async def test_any_sequence_ends_in_what_the_model_says(ingest: Ingest, steps: Any) -> None:
    await ingest.pool.execute(
        "TRUNCATE sis_ingest.crosswalk, sis_ingest.crosswalk_decision, sis_ingest.suggestion,"
        " sis_ingest.source_record, sis_ingest.resolved_record"
    )
    world = World(ingest)
    for what, one, other in steps:
        await world.step(what, one, other)
        assert await truth(ingest) == await worked_out(ingest)
        # Without a decision, an id of ours belongs to the outside id it was given to alone.
        assert all(len(found) == 1 for found in (await owners(ingest)).values())
