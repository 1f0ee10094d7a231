"""Statements over all staged rows of a run have a time-out of their own."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from roster_common.errors import Retriable
from roster_common.runtime.database import Database
from roster_common.runtime.sealing import Seal
from sis_ingest.adapters.postgres.units import PostgresUnits
from sis_ingest.domain.snapshots import StagedRow
from tests.support.ingesting import NOW, RUN

ORDINARY_S = 6.0
# Longer than the server works on an ordinary statement, and than the driver waits for its answer.
LONG_S = 12.0
ROW = StagedRow(row=2, external_id="u1", sort_key="", content_hash=b"h", deleted=False, body=b"{}")

Begin = Callable[[float], PostgresUnits]


@pytest.fixture
async def units(ingest_url: str) -> AsyncIterator[Begin]:
    """Transactions on a database in which a staged row takes long to be read through."""
    database = Database(ingest_url, name="test", pool_size=1, statement_timeout_s=ORDINARY_S)
    async with database.begin() as tx:
        driver = await tx.driver()
        await driver.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN PERFORM pg_sleep({LONG_S}); RETURN OLD; END $$"
        )
        await driver.execute(
            "CREATE TRIGGER slow BEFORE DELETE ON sis_ingest.snapshot_row"
            " FOR EACH ROW EXECUTE FUNCTION slow()"
        )

    def within(step_timeout_s: float) -> PostgresUnits:
        seal = Seal([bytes(32)])
        return PostgresUnits(database, _no_event, seal, step_timeout_s=step_timeout_s)

    yield within
    await database.close()


async def test_a_step_over_all_staged_rows_may_take_longer_than_a_statement(units: Begin) -> None:
    await staged(units(60))

    async with units(60).begin("run") as unit:
        await unit.staging.clear(RUN)


async def test_a_step_that_never_ends_is_given_up(units: Begin) -> None:
    await staged(units(60))

    with pytest.raises(Retriable) as given_up:
        async with units(1).begin("run") as unit:
            await unit.staging.clear(RUN)

    assert isinstance(given_up.value.__cause__, asyncpg.QueryCanceledError), "by the server"


async def test_every_step_over_a_run_says_how_long_it_may_take(units: Begin) -> None:
    """Each begins a transaction here, so none profits from the one before."""
    steps: dict[str, Callable[[Any], Any]] = {
        "clear": lambda unit: unit.staging.clear(RUN),
        "weigh": lambda unit: unit.staging.weigh(),
        "drop_repeated": lambda unit: unit.staging.drop_repeated(RUN, "user"),
        "sieve": lambda unit: unit.staging.sieve(RUN, "user", whole=True),
        "sieve of a dry run": lambda unit: unit.staging.sieve(DRY, "user", whole=True),
        "stale": lambda unit: unit.staging.stale(RUN, "user"),
        "wanted": lambda unit: unit.guarded.wanted(RUN, ("user", "remove"), now=NOW),
        "overtake": lambda unit: unit.guarded.overtake(RUN, "user", whole=True),
        "keep_enrollments": lambda unit: unit.pairs.keep_enrollments(RUN),
        "keep_returned": lambda unit: unit.pairs.keep_returned(RUN, "user"),
        "rekeyed": lambda unit: unit.voices.rekeyed(replace(RUN, started_at=NOW)),
    }
    for name, step in steps.items():
        async with units(60).begin("run") as unit:
            await unit.staging.begin(RUN)
        async with units(60).begin("run") as unit:
            await step(unit)
            told = await unit.staging._driver.fetchval("SHOW statement_timeout")
        assert told == "1min", name


DRY = replace(RUN, dry_run=True)


async def staged(units: PostgresUnits) -> None:
    """One row of the run."""
    async with units.begin("stage") as unit:
        await unit.staging.begin(RUN)
        await unit.staging.put(RUN, "user", [ROW])


def _no_event(event: Any) -> Any:
    raise AssertionError(f"staging tells nothing, but {event!r}")
