"""Several sources, whatever the order of what they say: who has authority speaks, all others are
silent, and who listens to the events knows exactly what is published.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from roster_common.runtime.database import Database
from sis_ingest.domain.flips import ACTIONS
from sis_ingest.usecases.flip_authority import Flipped
from tests.support.many_sources import ENTITIES, SCHOOLS, SOURCES, Key, ManySources, Saying

DISTRICTS = count(1000)
SETTINGS = settings(
    max_examples=15,
    # A story is short enough to be read as it failed; making it shorter takes minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Number 0 is always known, so that no list is ever empty and an absence says something.
KEYS = st.tuples(st.sampled_from(ENTITIES), st.integers(1, 3))
WORDS = st.sampled_from(["2026-09-01", "2026-09-02", "2026-09-03"])
SAYINGS = st.tuples(st.sampled_from(SCHOOLS), WORDS)
TABLES = st.dictionaries(st.sampled_from(["", *SCHOOLS]), st.sampled_from(["a", "b"]), max_size=3)
STORIES = st.lists(
    st.tuples(st.sampled_from(SOURCES), KEYS, st.none() | SAYINGS), min_size=1, max_size=25
)


@pytest.fixture
async def database(ingest_url: str):
    database = Database(ingest_url, name="test", pool_size=2)
    yield database
    await database.close()


def always(source: str) -> dict[Key, Saying]:
    words = f"2025-01-0{SOURCES.index(source) + 1}"
    return {(entity, 0): ("s1", words) for entity in ENTITIES}


def in_the_end(story: Sequence[Any]) -> Mapping[str, dict[Key, Saying]]:
    """What each source knows after its story."""
    known = {source: always(source) for source in SOURCES}
    for source, key, saying in story:
        hear(known[source], key, saying)
    return known


def hear(known: dict[Key, Saying], key: Key, saying: Saying | None) -> None:
    """What a source knows after one more change; demographics go with their person."""
    known.pop(key, None)
    if saying is not None:
        known[key] = saying
    elif key[0] == "user":
        known.pop(("demographics", key[1]), None)


async def new_district(database: Database, table: Mapping[str, str]) -> ManySources:
    made = ManySources(database=database, number=next(DISTRICTS))
    await made.begin()
    await made.lay_down(table)
    return made


@SETTINGS
@given(story=STORIES, table=TABLES, seed=st.integers(0, 1000))
async def test_whatever_is_lost_repeated_and_late_one_list_of_each_source_makes_it_right(
    database: Database, story: Sequence[Any], table: Mapping[str, str], seed: int
) -> None:
    district, chance = await new_district(database, table), random.Random(seed)
    begun = district.clock.now() - timedelta(hours=1)
    changes = [
        (source, district.change(source, key, saying, at=begun + timedelta(seconds=n)))
        for n, (source, key, saying) in enumerate(story)
    ]
    delivered = [one for one in changes for _ in range(chance.choice([0, 1, 1, 2]))]
    chance.shuffle(delivered)
    for source, change in delivered:
        await district.tell(source, [change])
    known = in_the_end(story)
    for source in chance.sample(SOURCES, len(SOURCES)):
        await district.state(source, known[source])

    expected = await district.expected(known, table)
    assert await district.published() == expected
    assert await district.told() == expected


@SETTINGS
@given(story=STORIES, table=TABLES)
async def test_after_every_single_change_the_right_one_speaks(
    database: Database, story: Sequence[Any], table: Mapping[str, str]
) -> None:
    district = await new_district(database, table)
    for length, (source, key, saying) in enumerate(story, start=1):
        change = district.change(source, key, saying, at=district.clock.now())
        await district.tell(source, [change])

        known = in_the_end(story[:length])
        told = {s: {k: v for k, v in ones.items() if k[1]} for s, ones in known.items()}
        assert await district.published() == await district.expected(told, table)
    assert await district.told() == await district.published()


FLIPS = st.lists(
    st.tuples(st.sampled_from(["", *SCHOOLS]), st.sampled_from(["a", "b", None])),
    min_size=1,
    max_size=4,
)


@SETTINGS
@given(story=STORIES, more=STORIES, flips=FLIPS, chance=st.randoms(use_true_random=False))
async def test_flips_in_between_end_in_the_table_they_leave_behind(
    database: Database, story: Sequence[Any], more: Sequence[Any], flips: Sequence[Any], chance: Any
) -> None:
    district = await new_district(database, {})
    steps: list[Any] = [*story, *more]
    for flip in flips:
        steps.insert(chance.randint(0, len(steps)), flip)
    table: dict[str, str] = {}
    known: dict[str, dict[Key, Saying]] = {source: {} for source in SOURCES}
    for step in steps:
        match step:
            case (place, source):
                await district.flip(place, source)
                table.pop(place, None)
                if source is not None:
                    table[place] = source
            case (source, key, saying):
                await district.tell(
                    source, [district.change(source, key, saying, at=district.clock.now())]
                )
                hear(known[source], key, saying)
        assert await district.published() == await district.expected(known, table)
    assert await district.told() == await district.published()


@SETTINGS
@given(
    story=STORIES,
    table=TABLES,
    flip=st.tuples(st.sampled_from(["", *SCHOOLS]), st.sampled_from("ab")),
)
async def test_a_flip_and_back_is_as_before_and_foretold(
    database: Database, story: Sequence[Any], table: Mapping[str, str], flip: Any
) -> None:
    district = await new_district(database, table)
    for source, key, saying in story:
        change = district.change(source, key, saying, at=district.clock.now())
        await district.tell(source, [change])
    before = await district.published()

    place, source = flip
    plan = await district.flip(place, source, dry_run=True)
    assert await district.published() == before
    done = await district.flip(place, source)
    after = await district.published()
    assert isinstance(plan, Flipped)
    assert isinstance(done, Flipped)
    assert plan.differences == done.differences
    foretold = {
        action: {
            (e, one) for (e, a), ids in done.differences.ids.items() if a == action for one in ids
        }
        for action in ACTIONS
    }
    assert foretold == {
        "add": after.keys() - before.keys(),
        "remove": before.keys() - after.keys(),
        "change": {key for key in before.keys() & after.keys() if before[key] != after[key]},
    }

    again = await district.flip(place, source)
    assert isinstance(again, Flipped)
    assert again.state == "unchanged"
    await district.flip(place, table.get(place))
    assert await district.published() == before
    assert await district.told() == before
