"""Notifications lost, told twice, out of order and late, then one delta: the truth of the office."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.support.emulators import Emulator, emulator
from tests.support.eventually import eventually
from tests.support.powerschool import agrees, door, powerschool_source, repaired
from tests.support.pulling import Puller, pulling

# What becomes of notifications, and the most it may be: copies more, seconds.
AMOUNTS = {"lose": 0, "duplicate": 2, "reorder": 0.2, "delay": 0.2}
DEEDS = ("new", "name", "class", "withdraw", "delete", "staff")
STORIES = st.fixed_dictionaries(
    {
        "deeds": st.lists(
            st.tuples(st.sampled_from(DEEDS), st.integers(0, 9)), min_size=3, max_size=6
        ),
        "faults": st.dictionaries(st.sampled_from(list(AMOUNTS)), st.sampled_from([0.3, 0.7, 1.0])),
    }
)
EVERY_DEED = [(deed, place) for place, deed in enumerate(DEEDS)]
ENOUGH = {"count": 10_000, "share": 1.0}
NAMES = count()


def do(sis: Emulator, deed: str, which: int) -> None:
    """One deed of the clerk, to one of the students who are there."""
    found = sis.truth("students", limit=100_000)["records"]
    live = [one for one in found if one["status"] == 0 and not one["gone"]]
    pupil = live[which]["dcid"]
    match deed:
        case "new":
            sis.do("students", givenName=f"Ada{next(NAMES)}", familyName="Made-up")
        case "staff":
            sis.do("staff", givenName=f"Cyn{next(NAMES)}", familyName="Made-up")
        case "name":
            sis.do(f"students/{pupil}/name", givenName=f"Bea{next(NAMES)}")
        case "class":
            sections = sis.truth("sections", limit=100)["records"]
            sis.do(f"students/{pupil}/class", to=sections[which]["dcid"])
        case _:
            sis.do(f"students/{pupil}/{deed}")


def put(sis: Emulator, faults: Mapping[str, float]) -> None:
    """These faults and no others from now on, each with its probability."""
    told = [
        {"kind": kind, "times": None, "probability": often, "amount": AMOUNTS[kind]}
        for kind, often in faults.items()
    ]
    sis.client.put(f"{sis.url}/_faults", json={"faults": told}).raise_for_status()


async def everything_told(puller: Puller, sis: Emulator) -> None:
    """Returns when no notification is on its way and none waits to be followed."""

    async def told() -> bool:
        evidence = await asyncio.to_thread(sis.evidence)
        return evidence["notifications"].get("waiting", 0) == 0

    await eventually(told, within_s=60, what="every notification is told or lost")
    await puller.ingest.settled(within_s=60)


@pytest.mark.timeout(480)
async def test_whatever_became_of_notifications_one_delta_brings_the_truth(
    url: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    guards = ("user.remove", "user.add", "demographics.remove", "enrollment.remove")
    limits = {"limits": dict.fromkeys(guards, ENOUGH)}
    folder = tmp_path_factory.mktemp("powerschool")
    with emulator("powerschool", "--students", "40", folder=folder) as school:
        async with door() as outside:
            options = {"callbackUrl": f"{outside.address}/webhooks/ps"}
            source = {**powerschool_source(school, options=options), **limits}
            async with pulling(url, tmp_path, source) as puller:
                outside.opens_to(puller)
                await puller.pull()
                await repaired(puller)
                await told_as_they_may_be(puller, school)
        struck = school.evidence()["faults"]
        assert set(struck) == set(AMOUNTS), "each of them happened"
        assert school.evidence()["notifications"]["accepted"] > 0


async def told_as_they_may_be(puller: Puller, school: Emulator) -> None:
    loop = asyncio.get_running_loop()

    async def story(deeds: Sequence[tuple[str, int]], faults: Mapping[str, float]) -> None:
        await asyncio.to_thread(put, school, faults)
        for deed, which in deeds:
            await asyncio.to_thread(do, school, deed, which)
        # Those that are late come during the delta or after it.
        await puller.pull("delta")
        await everything_told(puller, school)
        assert await agrees(puller, school)

    @settings(
        max_examples=2,
        deadline=None,
        # A story is a pull of seconds: a failing one is told as it was found.
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(STORIES)
    @example({"deeds": EVERY_DEED, "faults": {"lose": 1.0}})
    @example({"deeds": EVERY_DEED, "faults": {"duplicate": 1.0}})
    @example({"deeds": EVERY_DEED, "faults": {"reorder": 1.0}})
    @example({"deeds": EVERY_DEED, "faults": {"delay": 1.0}})
    def stories(told: Any) -> None:
        asyncio.run_coroutine_threadsafe(story(**told), loop).result()

    await asyncio.to_thread(stories)
