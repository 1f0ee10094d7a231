"""Allocated names beside the roster, and the publication of a user's names alone.

Every statement filters by district first. Nothing here commits.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import orjson

from roster_publisher.adapters.postgres.history import advance, archive
from roster_publisher.domain.names import Allocated
from roster_publisher.domain.publication import Cause
from roster_publisher.ports.publishing import PublishedUser, Renamed

# What targets said of a batch's people. A row or two per person; primary key.
_HELD: Final = """
    SELECT a.* FROM unnest($2::text[]) AS w(id)
    CROSS JOIN LATERAL (
        SELECT * FROM roster_publisher.allocated_name
        WHERE district_id = $1 AND person_id = w.id COLLATE "C" OFFSET 0) AS a
"""

_KEEP: Final = """
    INSERT INTO roster_publisher.allocated_name
        (district_id, person_id, target, username, email, event_time, event_id, correlation_id)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                             $7::text[], $8::text[])
    ON CONFLICT (district_id, person_id, target) DO UPDATE SET
        username = excluded.username, email = excluded.email, event_time = excluded.event_time,
        event_id = excluded.event_id, correlation_id = excluded.correlation_id
"""

# Shown users of a batch. A row per person; primary key.
_USERS: Final = """
    SELECT u.sourced_id, u.status, u.record::text AS record FROM unnest($2::text[]) AS w(id)
    CROSS JOIN LATERAL (
        SELECT sourced_id, status, record FROM roster_publisher.object
        WHERE district_id = $1 AND entity = 'user' AND sourced_id = w.id COLLATE "C" AND shown
        LIMIT 1) AS u
"""

# The texts that hold a name, and the stamp in `base`; the record and what waits stay. Primary key.
_RENAME: Final = """
    UPDATE roster_publisher.object o SET
        revision = $2, stamp = $3, base = w.base, contact = w.contact,
        identifiers = w.identifiers, correlation_id = w.correlation_id
    FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
        AS w(id, base, contact, identifiers, correlation_id)
    WHERE o.district_id = $1 AND o.entity = 'user' AND o.sourced_id = w.id COLLATE "C"
"""


async def allocated(
    driver: asyncpg.Connection, district_id: str, ids: Collection[str]
) -> Mapping[str, Mapping[str, Allocated]]:
    """What targets allocated to `ids`, by person and target."""
    found: dict[str, dict[str, Allocated]] = {}
    for row in await driver.fetch(_HELD, district_id, sorted(ids)):
        found.setdefault(row["person_id"], {})[row["target"]] = _allocated(row)
    return found


async def keep_allocated(
    driver: asyncpg.Connection, district_id: str, names: Sequence[Allocated]
) -> None:
    """Store each as what its target says from now on."""
    rows = sorted((_row(one) for one in names), key=lambda row: row[:2])
    await driver.execute(_KEEP, district_id, *map(list, zip(*rows, strict=True)))


async def published_users(
    driver: asyncpg.Connection, district_id: str, ids: Sequence[str]
) -> Mapping[str, PublishedUser]:
    """Shown users among `ids`, as published."""
    return {
        row["sourced_id"]: PublishedUser(
            person_id=row["sourced_id"], status=row["status"], record=orjson.loads(row["record"])
        )
        for row in await driver.fetch(_USERS, district_id, ids)
    }


async def rename(
    driver: asyncpg.Connection,
    district_id: str,
    renamed: Sequence[Renamed],
    *,
    revision: int,
    stamp: datetime,
) -> None:
    """Publish the names at `revision`; what they replace goes to history."""
    ids = [one.person_id for one in renamed]
    users = ["user"] * len(ids)
    await archive(driver, district_id, users, ids, revision=revision, stamp=stamp)
    await driver.execute(
        _RENAME,
        district_id,
        revision,
        stamp,
        ids,
        [one.fragments.base for one in renamed],
        [one.fragments.contact for one in renamed],
        [one.fragments.identifiers for one in renamed],
        [one.cause.correlation_id for one in renamed],
    )
    await advance(driver, district_id, revision=revision, stamp=stamp)


def _row(one: Allocated) -> tuple[Any, ...]:
    cause = one.cause
    return (
        one.person_id,
        one.target,
        one.username,
        one.email,
        one.time,
        cause.event_id,
        cause.correlation_id,
    )


def _allocated(row: asyncpg.Record) -> Allocated:
    return Allocated(
        person_id=row["person_id"],
        target=row["target"],
        username=row["username"],
        email=row["email"],
        time=row["event_time"],
        # Only what is news is ever a cause, so the origin is not kept.
        cause=Cause(
            event_id=row["event_id"], correlation_id=row["correlation_id"], origin="webhook"
        ),
    )
