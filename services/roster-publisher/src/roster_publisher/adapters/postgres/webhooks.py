"""`Standings` on PostgreSQL: one row per subscription, written once per call and never per change.

A lease only spares work; the generation is what keeps two processes from writing over each other.
Leases are told by the database's clock.
"""

from datetime import timedelta
from typing import Final

import asyncpg

from roster_common.errors import Retriable
from roster_common.runtime.database import Database
from roster_common.runtime.failpoints import failpoint
from roster_publisher.domain.webhooks import Standing, Subscription

_COLUMNS: Final = (
    "cursor",
    "until",
    "round",
    "generation",
    "failures",
    "failing_since",
    "not_before",
    "reason",
    "stopped_at",
    "delivered_at",
    "bulk_told",
)
_KEPT: Final = tuple(name for name in _COLUMNS if name != "generation")
_SET: Final = ", ".join(f"{name} = ${place}" for place, name in enumerate(_KEPT, start=4))

_OF: Final = f"""
    SELECT {", ".join(_COLUMNS)} FROM roster_publisher.webhook
    WHERE district_id = $1 AND client_id = $2
"""

# One row.
_CLAIM: Final = f"""
    UPDATE roster_publisher.webhook SET
        generation = generation + 1, holder = $4, lease_until = clock_timestamp() + $5::interval,
        until = $6
    WHERE district_id = $1 AND client_id = $2 AND generation = $3
      AND (lease_until IS NULL OR holder = $4 OR lease_until < clock_timestamp())
    RETURNING {", ".join(_COLUMNS)}
"""
_KEEP: Final = f"""
    UPDATE roster_publisher.webhook SET
        generation = generation + 1, holder = NULL, lease_until = NULL, {_SET}
    WHERE district_id = $1 AND client_id = $2 AND generation = $3
"""
# A subscription never seen gets its row when something is to be written in it.
_MAKE: Final = """
    INSERT INTO roster_publisher.webhook (district_id, client_id)
    SELECT district_id, client_id FROM roster_publisher.client
    WHERE district_id = $1 AND client_id = $2
    ON CONFLICT DO NOTHING
"""
_LOCKED: Final = f"{_OF} FOR UPDATE"


class PostgresStandings:
    """`holder` names this process; `lease` is longer than the longest call."""

    def __init__(self, database: Database, *, holder: str, lease: timedelta) -> None:
        self._database = database
        self._holder = holder
        self._lease = lease

    async def of(self, subscription: Subscription) -> Standing:
        """As it stands; at the beginning for one never seen."""
        async with self._database.begin() as tx:
            row = await (await tx.driver()).fetchrow(_OF, *_key(subscription))
        return Standing() if row is None else _standing(row)

    async def claim(self, subscription: Subscription, standing: Standing) -> Standing | None:
        """Take it to make one call; None when another process does, or it has moved on."""
        async with self._database.begin() as tx:
            driver = await tx.driver()
            if standing.generation == 0:
                await driver.execute(_MAKE, *_key(subscription))
            row = await driver.fetchrow(
                _CLAIM,
                *_key(subscription),
                standing.generation,
                self._holder,
                self._lease,
                standing.until,
            )
        return None if row is None else _standing(row)

    async def keep(self, subscription: Subscription, standing: Standing) -> bool:
        """Write what came of a claim and end it. False when it has moved on meanwhile."""
        async with self._database.begin() as tx:
            status = await _keep(await tx.driver(), subscription, standing)
        failpoint("publisher.push.after_commit")
        return status

    async def replay(self, subscription: Subscription, cursor: str | None) -> Standing:
        """Go back to `cursor`, or to the beginning; a call that is out comes to nothing."""
        async with self._database.begin() as tx:
            driver = await tx.driver()
            await driver.execute(_MAKE, *_key(subscription))
            row = await driver.fetchrow(_LOCKED, *_key(subscription))
            if row is None:
                raise Retriable("the client is not there yet")
            back = _standing(row).replayed(cursor)
            await _keep(driver, subscription, back)
        return back


async def _keep(driver: asyncpg.Connection, subscription: Subscription, standing: Standing) -> bool:
    if standing.generation == 0:
        await driver.execute(_MAKE, *_key(subscription))
    values = [getattr(standing, name) for name in _KEPT]
    status: str = await driver.execute(_KEEP, *_key(subscription), standing.generation, *values)
    return status.endswith(" 1")


def _key(subscription: Subscription) -> tuple[str, str]:
    return subscription.district_id, subscription.client_id


def _standing(row: asyncpg.Record) -> Standing:
    return Standing(**{name: row[name] for name in _COLUMNS})
