"""Deltas lost, repeated and late, then one full pull: the truth of the office, whatever came."""

import asyncio
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.support.emulators import Emulator
from tests.support.pulling import Puller, oneroster_source, pulling
from tests.support.replaying import replayed

# "lost": a delta that is read and never applied; "again": all deltas of late said once more.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["new", "name", "withdraw", "delta", "lost", "again"]), st.integers(0, 9)
    ),
    min_size=3,
    max_size=5,
)
ALL_OF_IT = [
    ("new", 0), ("lost", 0), ("name", 1), ("delta", 0), ("withdraw", 2), ("name", 1), ("delta", 0),
    ("again", 1), ("again", 0),
]  # fmt: skip
NAMES = count()


async def step(puller: Puller, sis: Emulator, what: str, which: int, said: list[str]) -> None:
    """One deed of the clerk, or one delta and what becomes of it."""
    match what:
        case "new":
            sis.do("students", givenName=f"Ada{next(NAMES)}", familyName="Made-up")
        case "name" | "withdraw":
            live = there(await students(sis))
            fields = {"givenName": f"Bea{next(NAMES)}"} if what == "name" else {}
            sis.do(f"students/{live[which]['dcid']}/{what}", **fields)
        case "delta":
            said.append(await delivery_of(puller, await puller.pull("delta")))
        case "lost":
            await puller.pull("delta", dryRun=True)
        case _ if said:
            await replayed(puller.ingest, deliveryIds=[said[which % len(said)]])
        case _:
            pass


async def delivery_of(puller: Puller, report: dict[str, Any]) -> str:
    """The delivery that a pull became, by which it can be said again."""
    return await puller.ingest.value(  # type: ignore[no-any-return]
        "SELECT delivery_id::text FROM sis_ingest.run WHERE run_id = $1", report["runId"]
    )


async def students(sis: Emulator) -> Sequence[dict[str, Any]]:
    """Everybody who ever was one; `status` 0 is who is there."""
    found = await asyncio.to_thread(sis.truth, "students", limit=100_000)
    return found["records"]  # type: ignore[no-any-return]


def there(ever: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    return [one for one in ever if one["status"] == 0 and not one["gone"]]


def ids(some: Sequence[dict[str, Any]]) -> set[str]:
    return {one["sourcedIds"]["oneRoster"] for one in some}


@pytest.mark.timeout(300)
async def test_whatever_became_of_deltas_one_full_pull_brings_the_truth(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    limits = {"user.remove": {"count": 1000, "share": 1.0}, "user.add": {"count": 1000, "share": 1}}
    source = {**oneroster_source(oneroster), "limits": limits}
    async with pulling(url, tmp_path, source) as puller:
        said = [await delivery_of(puller, await puller.pull())]
        loop = asyncio.get_running_loop()

        async def story(steps: Sequence[tuple[str, int]]) -> None:
            for what, which in steps:
                await step(puller, oneroster, what, which, said)
            await puller.pull()
            ever = await students(oneroster)
            assert await puller.live("user") & ids(ever) == ids(there(ever))
            names = {row["name"] for row in await puller.ingest.pool.fetch(
                "SELECT data->>'givenName' AS name FROM sis_ingest.resolved_record"
                " WHERE entity = 'user' AND NOT deleted"
            )}  # fmt: skip
            assert {one["given"] for one in there(ever)} <= names

        @settings(
            max_examples=3,
            deadline=None,
            # A step is a pull of seconds: a failing story is told as it was found.
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(STEPS)
        @example(ALL_OF_IT)
        def stories(steps: Sequence[tuple[str, int]]) -> None:
            asyncio.run_coroutine_threadsafe(story(steps), loop).result()

        await asyncio.to_thread(stories)
