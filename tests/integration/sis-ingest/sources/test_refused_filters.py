"""A provider that does not tell what changed: how often the schedule reads all of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from roster_common.runtime.clock import Uuid7Ids
from roster_common.runtime.database import Database
from roster_common.runtime.sealing import KEY_BYTES, Seal
from roster_common.testkit.clock import FixedClock
from sis_ingest.adapters.postgres.pulls import PostgresPullDesk
from sis_ingest.adapters.postgres.units import PostgresUnits
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.schedule import Schedule
from sis_ingest.ports.sources import Source
from sis_ingest.usecases.ask_pull import AskPull
from tests.support.pulling import NEVER_DUE, pulling
from tests.support.shuffling_sis import people, shuffling_sis

SOURCE = Source(
    place=Place(district_id="d1", source_id="pulled"),
    kind="oneroster_rest",
    secrets=(),
    webhook=None,
    snapshot=None,
)
SAID = {"users": people("u1", "u2")}
HOUR_S = 3600


async def test_where_filters_are_refused_the_schedule_asks_once_a_day_and_not_each_time(
    url: str, tmp_path: Path
) -> None:
    async with shuffling_sis(lambda section, _: SAID.get(section, ()), filters=False) as address:
        pull = {
            "baseUrl": address, "clientId": "c", "clientSecret": "not-a-secret", "auth": "none",
            **NEVER_DUE,
        }  # fmt: skip
        source = {"id": "pulled", "district": "d1", "kind": "oneroster_rest", "pull": pull}
        async with pulling(url, tmp_path, source) as puller:
            await puller.pull()
            refused = await puller.pull("delta")
            assert refused["pull"]["fullBecause"] == "filter_refused"

    database = Database(url, name="test", pool_size=2)
    desk = PostgresPullDesk(database)
    last = await desk.last(SOURCE.place, None)
    assert last is not None
    began = last.started_at
    assert began is not None
    clock = FixedClock(began)
    ask = AskPull(
        units=PostgresUnits(database, _no_event, Seal([bytes(KEY_BYTES)])),
        desk=desk,
        clock=clock,
        ids=Uuid7Ids(),
        poke=lambda: None,
    )
    schedule = Schedule(
        zone=ZoneInfo("UTC"),
        full_day=None,
        full_at=(began + timedelta(hours=2)).time(),
        delta_every=timedelta(minutes=15),
    )

    clock.advance(HOUR_S)
    assert await ask.scheduled(SOURCE, schedule) is None, "four deltas were due"
    clock.advance(HOUR_S)
    due = await ask.scheduled(SOURCE, schedule)
    await database.close()

    assert due is not None
    assert (due.mode, due.since is not None) == ("delta", True), "it may be told by now"


def _no_event(_news: Any) -> Any:
    raise AssertionError("nothing is told")
