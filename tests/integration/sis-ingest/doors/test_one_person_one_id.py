"""Invariant 8 as a property: whatever comes, no id given out changes, is used again, or is doubled.

People are told apart by their state id, so a model knows who is who: a source re-keys a person by
ending the old outside id and sending a new one; operators merge the doubles that a person without
a state id leaves behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import enrollment, user

PEOPLE = 4
ROUNDS = count()
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "rekey", "refer", "leave", "repeat", "merge"]),
        st.integers(0, PEOPLE - 1),
        st.integers(0, PEOPLE - 1),
    ),
    min_size=4,
    max_size=14,
)


@dataclass
class World:
    """What the source thinks: each person's current outside id, and who was merged into whom."""

    ingest: Ingest
    round: int
    keys: dict[int, int] = field(default_factory=dict)
    said: dict[int, bool] = field(default_factory=dict)
    joined: dict[int, int] = field(default_factory=dict)
    clock: int = 0
    last: tuple[str, dict] | None = None

    def outside(self, person: int) -> str:
        return f"r{self.round}-p{person}-k{self.keys.get(person, 0)}"

    def everyone(self, person: int) -> Sequence[str]:
        return [f"r{self.round}-p{person}-k{k}" for k in range(self.keys.get(person, 0) + 1)]

    async def send(self, kind: str, data: dict) -> None:
        self.clock += 1
        self.last = (kind, data)
        answer = await self.ingest.send(kind, data, at=self.clock)
        assert answer.status_code == 202
        await self.ingest.settled()

    async def step(self, what: str, person: int, other: int) -> None:
        match what:
            case "say":
                await self._say(person)
            case "rekey" if self.said.get(person):
                await self.send("users.deleted", {"sourcedId": self.outside(person)})
                self.keys[person] = self.keys.get(person, 0) + 1
            case "refer":
                name = f"r{self.round}-e{self.clock}"
                await self.send(
                    "enrollments.upserted", enrollment(name, user_id=self.outside(person))
                )
            case "leave" if self.said.get(person):
                await self.send("users.deleted", {"sourcedId": self.outside(person)})
            case "repeat" if self.last is not None:
                await self.ingest.send(*self.last, at=self.clock)
                await self.ingest.settled()
            case "merge":
                await self._merge(person, other)
            case _:
                pass

    async def _say(self, person: int) -> None:
        self.said[person] = True
        who = user(self.outside(person), given=f"Ada {self.clock}")
        state = {"userMasterIdentifier": f"r{self.round}-S{person}"}
        await self.send("users.upserted", {**who, **state})

    async def _merge(self, keep: int, merge: int) -> None:
        ids = await given_out(self.ingest)
        ours = [ids.get(self.outside(person)) for person in (keep, merge)]
        # Operators see people, not ids that something refers to and nobody has told of yet.
        if not set(ours) <= await people(self.ingest, self, live=False) or ours[0] == ours[1]:
            return
        answer = await self.ingest.http.post(
            "/crosswalk/merge",
            json={"district": "d1", "entity": "user", "keep": ours[0], "merge": ours[1]},
            headers=token("approver"),
        )
        assert answer.status_code == 200, answer.text
        root = self.root(keep)
        for person in range(PEOPLE):
            if self.root(person) == self.root(merge):
                self.joined[person] = root

    def root(self, person: int) -> int:
        return self.joined.get(person, person)


async def given_out(ingest: Ingest) -> dict[str, str]:
    rows = await ingest.pool.fetch(
        "SELECT external_id, entity_id FROM sis_ingest.crosswalk"
        " WHERE entity = 'user' AND valid_to IS NULL"
    )
    return {row["external_id"]: row["entity_id"] for row in rows}


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
@example(steps=[("say", 0, 0), ("rekey", 0, 0), ("leave", 0, 0), ("say", 0, 0)])
async def test_no_id_given_out_changes_is_reused_or_doubled(ingest: Ingest, steps) -> None:
    world = World(ingest=ingest, round=next(ROUNDS))
    for what, person, other in steps:
        published = await people(ingest, world, live=False)
        before = await meanings(ingest, world)
        await world.step(what, person, other)
        after = await meanings(ingest, world)

        # Only a merge moves an outside id away from an id that a person was given out under.
        moved = {ours for outside, ours in before.items() if after.get(outside) != ours}
        assert what == "merge" or not moved & published
        # One person, one id.
        for one in range(PEOPLE):
            known = {after[k] for k in world.everyone(one) if k in after}
            assert len(known & await people(ingest, world, live=False)) <= 1
        # One id, one person.
        owners: dict[str, set[int]] = {}
        for outside, ours in after.items():
            owners.setdefault(ours, set()).add(world.root(_person(outside)))
        assert all(len(found) == 1 for found in owners.values())
        # Who lives is who some source still means.
        assert await people(ingest, world, live=True) <= set(after.values())


async def meanings(ingest: Ingest, world: World) -> dict[str, str]:
    """Our id by outside id, of this world."""
    prefix = f"r{world.round}-"
    return {k: ours for k, ours in (await given_out(ingest)).items() if k.startswith(prefix)}


async def people(ingest: Ingest, world: World, *, live: bool) -> set[str]:
    """Our ids that a person of this world has, or ever had."""
    rows = await ingest.pool.fetch(
        "SELECT entity_id FROM sis_ingest.resolved_record WHERE entity = 'user'"
        " AND entity_id LIKE $1 AND NOT (deleted AND $2)",
        f"r{world.round}-%",
        live,
    )
    return {row["entity_id"] for row in rows}


def _person(outside: str) -> int:
    return int(outside.split("-p")[1].split("-k", maxsplit=1)[0])
