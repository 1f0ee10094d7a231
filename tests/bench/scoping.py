"""Publish under many grants: what scopes cost a write, and that grants cost it nothing.

The same events through roster-publisher's consumer into a fresh store each time: under 10 grants
of schools, under 1,000 of the same schools, and under 200 distinct rules of school and grade. A
first load, then every record changed, with a tenth of the students a grade above. Beside each
stands the same with 10 grants.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

from roster_common.runtime.database import Database
from roster_common.runtime.migrations import migrate
from roster_publisher.adapters.postgres.scope_backfill import PostgresScopes
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.domain.access import Client, Grant
from roster_publisher.domain.collections import KNOWN_SCOPES
from roster_publisher.domain.rules import Rule
from tests.bench.measuring import Bench, Figures, Lineup
from tests.bench.publishing import (
    DISTRICT,
    EVENTS_PER_PERSON,
    GRADES,
    SCHEMA,
    SCHOOLS,
    Fact,
    applied,
    counting,
    people,
    schools,
)
from tests.bench.servers import drop_database, fresh_database, give_back
from tests.contract.log.worlds import CLOCK

DATABASE = "homeroom_bench_scopes"
FEW, MANY, RULES = 10, 1_000, 200
UP = 10
ROUND_TIMEOUT_S = 120.0

WITH_SCHOOLS = Grant(district_id=DISTRICT, client_id="", token_scopes=KNOWN_SCOPES)


@asynccontextmanager
async def scoping(bench: Bench) -> AsyncIterator[Lineup]:
    """A store for each sample."""
    each = max(bench.plan.backlog // 2 // EVENTS_PER_PERSON // SCHOOLS, UP)
    first, changed = (
        [*schools(), *people(0, each)],
        people(0, each, mark="changed", up=UP),
    )
    yield Lineup(
        samples=[
            partial(_sample, bench.server_url, row, grants, first, changed)
            for row, grants in (("few", _few()), ("many", _many()), ("rules", _rules()))
        ],
        warm_up=(),
        rounds=1 if bench.plan.quick else 3,
        sample_timeout_s=ROUND_TIMEOUT_S,
    )


async def _sample(
    server_url: str,
    row: str,
    grants: Sequence[Grant],
    first: Sequence[Fact],
    changed: Sequence[Fact],
) -> Figures:
    async with AsyncExitStack() as stack:
        url = await fresh_database(server_url, DATABASE)
        stack.push_async_callback(drop_database, server_url, DATABASE)
        await migrate(url, schema=SCHEMA, script_package="roster_publisher.migrations")
        database = Database(url, name="bench-scopes", pool_size=2)
        stack.push_async_callback(give_back, database)
        await _grant(database, grants)
        await stack.enter_async_context(counting(database))
        return {
            f"scopes.first.{row}": await applied(url, f"scopes.first.{row}", first),
            f"scopes.changed.{row}": await applied(url, f"scopes.changed.{row}", changed),
        }


async def _grant(database: Database, grants: Sequence[Grant]) -> None:
    vendors, scopes = PostgresVendors(database), PostgresScopes(database)
    rules = [rule for grant in grants for rule in grant.rules]
    if rules:
        await scopes.ensure(DISTRICT, rules, now=CLOCK.now())
    for grant in grants:
        client = Client(client_id=grant.client_id, secret_hash="", grant=grant)
        await vendors.seed(client, now=CLOCK.now())


def _few() -> Sequence[Grant]:
    return [_of_schools(number) for number in range(FEW)]


def _many() -> Sequence[Grant]:
    return [_of_schools(number) for number in range(MANY)]


def _of_schools(number: int) -> Grant:
    """Six schools in turn, so that ten grants see all sixty."""
    seen = tuple(f"s{(6 * number + n) % SCHOOLS:03d}" for n in range(6))
    return replace(WITH_SCHOOLS, client_id=f"v{number}", school_ids=seen)


def _rules() -> Sequence[Grant]:
    """One rule for each grant: a grade of a school."""
    pairs = [(f"s{number:03d}", grade) for number in range(SCHOOLS) for grade in GRADES]
    return [
        replace(
            WITH_SCHOOLS,
            client_id=f"r{number}",
            rules=(Rule(schools=(school,), grades=(grade,)),),
        )
        for number, (school, grade) in enumerate(pairs[:RULES])
    ]
