"""The roster store inside one transaction, written as sets: one statement per step and batch.

Every statement filters by district first. Nothing here commits. Rows are found by a LATERAL select
with a bound, never by a plain join: the driver keeps plans, and one made while a table was small
would read all of it for ever.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import orjson

from roster_publisher.adapters.postgres import allocated as names
from roster_publisher.adapters.postgres import rule_matches as matching
from roster_publisher.adapters.postgres.causes import keep_causes
from roster_publisher.adapters.postgres.columns import LISTS, PUBLISHED, column_types, rows_of
from roster_publisher.adapters.postgres.dirty_marks import mark_dirty, mark_merged
from roster_publisher.adapters.postgres.gone_parts import keep_gone_parts
from roster_publisher.adapters.postgres.history import advance, archive
from roster_publisher.adapters.postgres.scope_moves import move_scopes
from roster_publisher.domain.causes import CauseLine
from roster_publisher.domain.names import Allocated, Held
from roster_publisher.domain.publication import Change, Draft, Stored
from roster_publisher.domain.records import Key
from roster_publisher.domain.rules import Rule, Taught
from roster_publisher.ports.publishing import (
    DistrictState,
    Publication,
    PublishedUser,
    Rematched,
    Renamed,
    TaughtClass,
)

_KEYS: Final = """
    SELECT t.entity, t.sourced_id COLLATE "C" AS sourced_id
    FROM unnest($2::text[], $3::text[]) AS t(entity, sourced_id)
"""
_OBJECT: Final = """
    CROSS JOIN LATERAL (
        SELECT * FROM roster_publisher.object
        WHERE district_id = $1 AND entity = w.entity AND sourced_id = w.sourced_id LIMIT 1) AS o
"""

# Locks one row; at first use it makes it. At most one row.
_LOCK_DISTRICT: Final = """
    INSERT INTO roster_publisher.district_revision AS d (district_id) VALUES ($1)
    ON CONFLICT (district_id) DO UPDATE SET revision = d.revision
    RETURNING revision, stamp, rules_version
"""

# What is held of a batch's keys. A row per key known; primary key.
_STORED: Final = f"""
    WITH w AS ({_KEYS})
    SELECT o.entity, o.sourced_id, o.status, o.shown, o.content_hash, o.event_time,
           o.scope_ids, o.user_id, o.class_id, o.rule_ids, o.merged_into,
           CASE WHEN o.entity || '/' || o.sourced_id = ANY($4::text[])
                THEN o.record::text END AS record
    FROM w {_OBJECT}
"""

# The newest record of those that waited, shown or not. Few rows; primary key.
_NEWEST: Final = f"""
    WITH w AS ({_KEYS})
    SELECT o.entity, o.sourced_id, o.shown, o.content_hash, o.event_time, o.scope_ids, o.user_id,
           o.class_id, o.rule_ids,
           CASE WHEN o.pending IS NULL THEN o.merged_into END AS merged_into,
           CASE WHEN o.pending IS NULL THEN o.status
                ELSE coalesce(o.pending ->> 'status', 'active') END AS status,
           coalesce(o.pending, o.record)::text AS record
    FROM w {_OBJECT}
"""

# Which targets are published. A row per target shown; primary key.
_SHOWN: Final = f"""
    WITH w AS ({_KEYS})
    SELECT o.entity, o.sourced_id FROM w {_OBJECT} WHERE o.shown
"""

# Who waits for what has arrived. Few rows, none as a rule; primary key.
_WAITING: Final = f"""
    WITH w AS ({_KEYS})
    SELECT DISTINCT d.from_entity, d.from_id
    FROM w CROSS JOIN LATERAL (
        SELECT from_entity, from_id FROM roster_publisher.dangling
        WHERE district_id = $1 AND to_entity = w.entity AND to_id = w.sourced_id OFFSET 0) AS d
"""

_WANTED: Final = ", ".join(
    f"string_to_array(w.{name}, E'\\x1f')" if name in LISTS else f"w.{name}" for name in PUBLISHED
)
_UNSEEN: Final = ("rule_ids", "content_hash", "event_time", "record")
_NEW_NAMES: Final = ("entity", "sourced_id", *PUBLISHED, *_UNSEEN)

# Writes the batch. A row per published record; primary key.
_PUBLISH: Final = f"""
    INSERT INTO roster_publisher.object AS o
        (district_id, revision, stamp, shown, entity, sourced_id, {", ".join(PUBLISHED)},
         {", ".join(_UNSEEN)})
    SELECT $1, $2, $3, true, w.entity, w.sourced_id, {_WANTED},
           string_to_array(w.rule_ids, E'\\x1f'), w.content_hash, w.event_time, w.record::jsonb
    FROM unnest({", ".join(f"${4 + i}::{kind}[]" for i, kind in enumerate(column_types()))})
        AS w({", ".join(_NEW_NAMES)})
    ON CONFLICT (district_id, entity, sourced_id) DO UPDATE SET
        revision = excluded.revision, stamp = excluded.stamp, shown = true, pending = NULL,
        revived_stamp = CASE WHEN o.status = 'tobedeleted' AND excluded.status = 'active'
                             THEN excluded.stamp ELSE o.revived_stamp END,
        {", ".join(f"{name} = excluded.{name}" for name in (*PUBLISHED, *_UNSEEN))}
"""

# Keeps when a record was last said to be as it is; no revision, no index. A row per key.
_CONFIRM: Final = """
    UPDATE roster_publisher.object SET event_time = f.time
    FROM (SELECT o.place, w.time
          FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS w(entity, sourced_id, time)
          CROSS JOIN LATERAL (
              SELECT ctid AS place FROM roster_publisher.object
              WHERE district_id = $1 AND entity = w.entity
                AND sourced_id = w.sourced_id COLLATE "C" LIMIT 1) AS o) AS f
    WHERE ctid = f.place
"""

# Keeps what cannot be shown yet; what was shown before stays as it was. Few rows.
_PARK: Final = """
    INSERT INTO roster_publisher.object AS o
        (district_id, revision, stamp, shown, status, entity, sourced_id,
         content_hash, event_time, record, correlation_id, merged_into)
    SELECT $1, 0, w.event_time, false, w.status, w.entity, w.sourced_id,
           w.content_hash, w.event_time, w.record::jsonb, w.correlation_id, w.merged_into
    FROM unnest($2::text[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[], $7::text[],
                $8::text[], $9::text[])
        AS w(entity, sourced_id, status, content_hash, event_time, record, correlation_id,
             merged_into)
    ON CONFLICT (district_id, entity, sourced_id) DO UPDATE SET
        content_hash = excluded.content_hash, event_time = excluded.event_time,
        status = CASE WHEN o.shown THEN o.status ELSE excluded.status END,
        correlation_id = CASE WHEN o.shown THEN o.correlation_id
                              ELSE excluded.correlation_id END,
        merged_into = CASE WHEN o.shown THEN o.merged_into ELSE excluded.merged_into END,
        record = CASE WHEN o.shown THEN o.record ELSE excluded.record END,
        pending = CASE WHEN o.shown THEN excluded.record END
"""

_FORGET_DANGLING: Final = f"""
    WITH w AS ({_KEYS})
    DELETE FROM roster_publisher.dangling WHERE ctid = ANY (ARRAY(
        SELECT d.ctid FROM w CROSS JOIN LATERAL (
            SELECT ctid FROM roster_publisher.dangling
            WHERE district_id = $1 AND from_entity = w.entity AND from_id = w.sourced_id
            OFFSET 0) AS d))
"""

_KEEP_DANGLING: Final = """
    INSERT INTO roster_publisher.dangling (district_id, to_entity, to_id, from_entity, from_id)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[])
    ON CONFLICT DO NOTHING
"""


class PostgresRosterUnit:
    """`RosterUnit` on one transaction."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def lock_district(self, district_id: str) -> DistrictState:
        """Lock the district's revision row until the transaction ends."""
        row = await self._driver.fetchrow(_LOCK_DISTRICT, district_id)
        assert row is not None  # noqa: S101 - an upsert with RETURNING gives its row
        return DistrictState(
            revision=row["revision"], stamp=row["stamp"], rules_version=row["rules_version"]
        )

    async def stored(
        self, district_id: str, keys: Collection[Key], *, with_record: Collection[Key]
    ) -> Mapping[Key, Stored]:
        """What is held of `keys`, its published record only for `with_record`."""
        rows = await self._driver.fetch(
            _STORED, district_id, *_arrays(keys), [f"{e}/{s}" for e, s in with_record]
        )
        return {key: stored for row in rows for key, stored in (_stored(row),)}

    async def newest(self, district_id: str, keys: Iterable[Key]) -> Mapping[Key, Stored]:
        """What is held of `keys` with the newest record, published or still waiting."""
        rows = await self._driver.fetch(_NEWEST, district_id, *_arrays(keys))
        return {key: stored for row in rows for key, stored in (_stored(row),)}

    async def shown(self, district_id: str, keys: Iterable[Key]) -> frozenset[Key]:
        """Those of `keys` that are published."""
        rows = await self._driver.fetch(_SHOWN, district_id, *_arrays(keys))
        return frozenset(Key(row[0], row[1]) for row in rows)

    async def waiting_for(self, district_id: str, targets: Iterable[Key]) -> frozenset[Key]:
        """Records with a dangling reference to one of `targets`."""
        rows = await self._driver.fetch(_WAITING, district_id, *_arrays(targets))
        return frozenset(Key(row[0], row[1]) for row in rows)

    async def rules(self, district_id: str) -> Sequence[Rule]:
        """The rules that are scopes of the district."""
        return await matching.rules(self._driver, district_id)

    async def taught_courses(self, district_id: str, ids: Collection[str]) -> Mapping[str, Taught]:
        """What the published courses among `ids` say of grades and subjects."""
        return await matching.taught_courses(self._driver, district_id, ids)

    async def classes_of(self, district_id: str, courses: Collection[str]) -> Sequence[TaughtClass]:
        """Active classes of the courses."""
        return await matching.classes_of(self._driver, district_id, courses)

    async def publish(
        self,
        district_id: str,
        publications: Sequence[Publication],
        *,
        revision: int,
        stamp: datetime,
        rematched: Sequence[Rematched] | None = None,
    ) -> None:
        """Write the records at `revision`; what they replace goes to history; scopes follow."""
        replaced = [p.draft.key for p in publications if p.before is not None and p.before.shown]
        if replaced:
            at = _arrays(replaced)
            await archive(self._driver, district_id, *at, revision=revision, stamp=stamp)
            await keep_gone_parts(
                self._driver, district_id, publications, revision=revision, stamp=stamp
            )
        await self._driver.execute(_PUBLISH, district_id, revision, stamp, *rows_of(publications))
        await move_scopes(
            self._driver,
            district_id,
            publications,
            revision=revision,
            stamp=stamp,
            rematched=rematched,
        )
        await advance(self._driver, district_id, revision=revision, stamp=stamp)

    async def park(self, district_id: str, drafts: Sequence[Draft]) -> None:
        """Keep drafts that cannot be shown yet; what was published before them stays."""
        await self._driver.execute(
            _PARK,
            district_id,
            [draft.key.entity for draft in drafts],
            [draft.key.sourced_id for draft in drafts],
            [draft.status for draft in drafts],
            [draft.content_hash for draft in drafts],
            [draft.time for draft in drafts],
            [orjson.dumps(draft.record).decode() for draft in drafts],
            [draft.cause.correlation_id for draft in drafts],
            [draft.merged_into for draft in drafts],
        )

    async def confirm(self, district_id: str, times: Mapping[Key, datetime]) -> None:
        """Keep when records were last said to be as they are, so that what is older is late."""
        keys = sorted(times)
        await self._driver.execute(
            _CONFIRM, district_id, *_arrays(keys), [times[key] for key in keys]
        )

    async def replace_dangling(
        self, district_id: str, sources: Iterable[Key], pairs: Sequence[tuple[Key, Key]]
    ) -> None:
        """Make `pairs` (target, source) the only dangling references of `sources`."""
        await self._driver.execute(_FORGET_DANGLING, district_id, *_arrays(sources))
        if pairs:
            await self._driver.execute(
                _KEEP_DANGLING,
                district_id,
                [target.entity for target, _ in pairs],
                [target.sourced_id for target, _ in pairs],
                [source.entity for _, source in pairs],
                [source.sourced_id for _, source in pairs],
            )

    async def mark_dirty(
        self, district_id: str, publications: Sequence[Publication], *, now: datetime
    ) -> None:
        """Mark every person and class whose state the publications may change."""
        await mark_dirty(self._driver, district_id, publications, now=now)

    async def mark_merged(
        self, district_id: str, merged: Sequence[Change], *, now: datetime
    ) -> None:
        """Mark the people whose ids ended, with the ids that stand for them."""
        await mark_merged(self._driver, district_id, merged, now=now)

    async def allocated(self, district_id: str, ids: Collection[str]) -> Mapping[str, Held]:
        """What targets allocated to the people `ids`, by person and target."""
        return await names.allocated(self._driver, district_id, ids)

    async def keep_allocated(self, district_id: str, told: Sequence[Allocated]) -> None:
        """Store each as what its target says from now on."""
        await names.keep_allocated(self._driver, district_id, told)

    async def published_users(
        self, district_id: str, ids: Sequence[str]
    ) -> Mapping[str, PublishedUser]:
        """Shown users among `ids`, as published."""
        return await names.published_users(self._driver, district_id, ids)

    async def rename(
        self, district_id: str, renamed: Sequence[Renamed], *, revision: int, stamp: datetime
    ) -> None:
        """Publish the names at `revision`; what waits to replace a user keeps waiting."""
        await names.rename(self._driver, district_id, renamed, revision=revision, stamp=stamp)

    async def keep_causes(
        self, district_id: str, lines: Sequence[CauseLine], *, revision: int, at: datetime
    ) -> None:
        """Keep what the commit did, by correlation id."""
        await keep_causes(self._driver, district_id, lines, revision=revision, at=at)


def _arrays(keys: Iterable[Key]) -> tuple[list[str], list[str]]:
    # Sorted, so that two transactions touch rows in the same order.
    listed = sorted(keys)
    return [key.entity for key in listed], [key.sourced_id for key in listed]


def _stored(row: asyncpg.Record) -> tuple[Key, Stored]:
    key = Key(row["entity"], row["sourced_id"])
    return key, Stored(
        key=key,
        status=row["status"],
        shown=row["shown"],
        content_hash=row["content_hash"],
        event_time=row["event_time"],
        scope_ids=frozenset(row["scope_ids"]),
        record=None if row["record"] is None else orjson.loads(row["record"]),
        user_id=row["user_id"],
        class_id=row["class_id"],
        rule_ids=frozenset(row["rule_ids"]),
        merged_into=row["merged_into"],
    )
