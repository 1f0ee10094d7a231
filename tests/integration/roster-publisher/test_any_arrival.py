"""The order in which facts arrive, their repetition and the cut of their batches decide nothing.

A small district is told in two halves: a first load, whose people are derived when all of it is
there, and a day of changes, between which the deriver may run at any moment. What vendors read,
whose scope holds whom, what is waiting and who joined, moved and left must be what the same facts
give one by one in their own order (blueprint, invariants 2 and 3). A deletion comes after what it
deletes, because a tombstone shows the body that was there; one order per district gives that.
"""

import itertools
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import orjson
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from roster_publisher.domain.fragments import GROUPS
from roster_publisher.domain.publication import Cause, Change
from roster_publisher.domain.records import Key
from tests.support.oneroster_records import (
    class_,
    course,
    demographics,
    enrollment,
    org,
    ref,
    role,
    session,
    user,
)
from tests.support.publishing import Publishing

_BODIES = f"""
    SELECT entity, sourced_id, status, shown, kind, user_id, class_id, course_id, school_id,
           parent_id, term_ids, roles, roles_at, scope_ids, pending::text, record::text,
           {" || ".join(GROUPS)} AS body
    FROM roster_publisher.object WHERE district_id = $1 ORDER BY entity, sourced_id
"""
_SCOPES = """
    SELECT DISTINCT entity, sourced_id, scope_id FROM roster_publisher.scope_member
    WHERE district_id = $1 AND until_rev IS NULL ORDER BY 1, 2, 3
"""
_TOLD = """
    SELECT headers ->> 'ce_type' AS type, convert_from(value, 'UTF8') AS value FROM log.event
    WHERE headers ->> 'ce_tenantid' = $1 ORDER BY topic, partition, "offset"
"""
_DANGLING = "SELECT * FROM roster_publisher.dangling WHERE district_id = $1"
_STAMP = re.compile(r'"dateLastModified":"[^"]+",?')


class Fact(NamedTuple):
    """What the log says of a record; None deletes it."""

    key: Key
    record: dict[str, Any] | None


def upsert(entity: Any, record: dict[str, Any]) -> Fact:
    return Fact(Key(entity, record["sourcedId"]), record)


S1, S2, S3 = (org(one, parent=ref("org", "d")) for one in ("s1", "s2", "s3"))
AT_S2 = role("s2")

LOAD = [
    upsert("org", org("d", type="district")),
    upsert("org", S1),
    upsert("org", S2),
    upsert("academicSession", session("t1")),
    upsert("course", course("c1", org=ref("org", "s1"))),
    upsert("course", course("c2")),
    upsert("class", class_("k1")),
    upsert("class", class_("k2")),
    upsert("class", class_("m1", course="c2", school="s2")),
    upsert("user", user("ada", agents=[ref("user", "mum")])),
    upsert("user", user("ben")),
    upsert("user", user("cyd")),
    upsert("user", user("dan", AT_S2)),
    upsert("user", user("eve", role("s1", kind="teacher"), role("s2", kind="teacher"))),
    upsert("user", user("mum", role(kind="guardian"))),
    upsert("demographics", demographics("ada")),
    upsert("enrollment", enrollment("e-ada", user="ada")),
    upsert("enrollment", enrollment("e-ben", user="ben")),
    upsert("enrollment", enrollment("e-cyd", user="cyd", class_id="k2")),
    upsert("enrollment", enrollment("e-dan", user="dan", class_id="m1", school="s2")),
    upsert("enrollment", enrollment("e-eve", user="eve", role="teacher")),
]
# In their own order. Ada is renamed and renamed back; Ben moves school; Cyd leaves; Dan is deleted
# by one file and is at another school in the next; Fay is new; Gus is new at a school that is new.
DAY = [
    upsert("user", user("ada", givenName="Ida", agents=[ref("user", "mum")])),
    upsert("user", user("ada", agents=[ref("user", "mum")])),
    upsert("enrollment", enrollment("e-ada", user="ada", class_id="k2")),
    upsert("class", class_("k2", title="Renamed")),
    upsert("org", S1 | {"name": "Renamed"}),
    upsert("user", user("ben", AT_S2)),
    Fact(Key("enrollment", "e-ben"), None),
    upsert("enrollment", enrollment("e-ben-2", user="ben", class_id="m1", school="s2")),
    Fact(Key("enrollment", "e-cyd"), None),
    Fact(Key("user", "cyd"), None),
    Fact(Key("user", "dan"), None),
    upsert("user", user("dan")),
    upsert("user", user("fay", AT_S2)),
    upsert("enrollment", enrollment("e-fay", user="fay", class_id="m1", school="s2")),
    upsert("org", S3),
    upsert("class", class_("n1", school="s3")),
    upsert("user", user("gus", role("s3"))),
    upsert("enrollment", enrollment("e-gus", user="gus", class_id="n1", school="s3")),
]
STEPS = [
    ("ada", "joined", [], ["s1"]),
    ("ben", "joined", [], ["s1"]),
    ("ben", "moved", ["s1"], ["s2"]),
    ("cyd", "joined", [], ["s1"]),
    ("cyd", "left", ["s1"], []),
    ("dan", "joined", [], ["s2"]),
    ("dan", "moved", ["s2"], ["s1"]),
    ("eve", "joined", [], ["s1", "s2"]),
    ("fay", "joined", [], ["s2"]),
    ("gus", "joined", [], ["s3"]),
    ("mum", "joined", [], ["s1"]),
]
# Places of facts in the order of the district: a fact's time.
FIRST, LATER = range(len(LOAD)), range(len(LOAD), len(LOAD) + len(DAY))


class Batch(NamedTuple):
    """What one commit applies, and whether the deriver runs behind it."""

    places: Sequence[int]
    derived: bool


@st.composite
def arrivals(draw: st.DrawFn, facts: range, repeated: range) -> Sequence[Batch]:
    """Every fact at least once, some again, in any order, cut anywhere."""
    again = draw(st.lists(st.sampled_from(repeated), max_size=8))
    mixed = draw(st.permutations([*facts, *again]))
    cuts = draw(st.lists(st.integers(1, len(mixed) - 1), max_size=6, unique=True))
    edges = [0, *sorted(cuts), len(mixed)]
    return [Batch(mixed[a:b], draw(st.booleans())) for a, b in itertools.pairwise(edges)]


class District:
    """The same facts in a district of its own."""

    def __init__(self, publishing: Publishing) -> None:
        self.publishing = publishing
        self.id = publishing.ids.new_id()
        self._began = publishing.clock.now()

    async def tell(self, batch: Sequence[int]) -> int | None:
        """One commit; the revision it took, if any."""
        said = [self._change(place) for place in batch]
        return (await self.publishing.apply(said, district=self.id)).revision

    async def settle(self) -> None:
        """Whoever has no role left is gone for the settle time."""
        await self.publishing.derive()
        self.publishing.clock.advance(self.publishing.settle.total_seconds())
        await self.publishing.due.left()
        await self.publishing.derive()

    async def published(self) -> list[dict[str, Any]]:
        """Bodies without their stamps, scopes, and what is waiting."""
        rows = await self.publishing.rows(_BODIES, self.id)
        for row in rows:
            row["body"] = _STAMP.sub("", row["body"])
        scopes = await self.publishing.rows(_SCOPES, self.id)
        return [*rows, *scopes, *await self.publishing.rows(_DANGLING, self.id)]

    async def told(self) -> tuple[dict[str, Any], list[tuple[str, str, list[str], list[str]]]]:
        """The last state of every person and class, and every step."""
        states: dict[str, Any] = {}
        steps = []
        for row in await self.publishing.rows(_TOLD, self.id):
            data, kind = orjson.loads(row["value"]), row["type"].split(".")[3]
            if kind in {"joined", "moved", "left"} and "role" in data:
                steps.append((data["personId"], kind, data["fromOrgIds"], data["toOrgIds"]))
            elif row["type"] in {"k12.roster.person.v1", "k12.roster.class.v1"}:
                data.pop("revision")
                states[data.get("personId") or data["classId"]] = data
        return states, sorted(steps)

    def _change(self, place: int) -> Change:
        key, record = (*LOAD, *DAY)[place]
        return Change(
            key=key,
            record=record,
            time=self._began + timedelta(seconds=place),
            cause=Cause(event_id=f"event-{place}", correlation_id="corr", origin="webhook"),
        )


async def one_by_one(publishing: Publishing) -> District:
    """Every fact once, in order, a commit each."""
    district = District(publishing)
    for place in FIRST:
        await district.tell([place])
    await publishing.derive()
    for place in LATER:
        await district.tell([place])
        await publishing.derive()
    await district.settle()
    return district


async def test_facts_in_their_order_make_the_steps_that_were_taken(publishing: Publishing) -> None:
    district = await one_by_one(publishing)

    _, steps = await district.told()
    assert steps == STEPS
    assert all(row.get("shown", True) for row in await district.published())


PLAIN: dict[str, tuple[Any, Any]] = {}


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    # Each example is a district played to its end: what fails first is told, not made small.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(load=arrivals(FIRST, FIRST), day=arrivals(LATER, range(LATER.stop)))
async def test_any_order_repetition_and_cut_ends_in_the_same_roster_and_the_same_steps(
    publishing: Publishing, load: Sequence[Batch], day: Sequence[Batch]
) -> None:
    if publishing.database.url not in PLAIN:
        plain = await one_by_one(publishing)
        PLAIN[publishing.database.url] = (await plain.published(), await plain.told())
    district = District(publishing)

    for batch in load:
        await district.tell(batch.places)
    await publishing.derive()
    for batch in day:
        await district.tell(batch.places)
        if batch.derived:
            await publishing.derive()
    await district.settle()

    found = (await district.published(), await district.told())
    assert found == PLAIN[publishing.database.url]
    again = [place for batch in (*day, *load) for place in batch.places]
    assert await district.tell(again) is None
    await publishing.derive()
    assert await district.told() == found[1]
