"""Reads of groups for operators' pages, from the read pool; nothing here writes."""

from collections.abc import Sequence

import asyncpg

from directory_sync.domain.group import GroupKey, GroupKind
from directory_sync.domain.group_view import GroupCounts, GroupMember, GroupPage, GroupRow
from directory_sync.domain.ids import DistrictId, TargetId
from roster_common.runtime.database import Database

_TIMEOUT_S = 10.0

_ROW = """
    SELECT g.district_id, g.target_id, g.group_key, g.kind, g.group_id, g.display_name, g.held,
           g.held_since, g.correlation_id, g.changed_at, g.last_error_code,
           d.since AS waiting_since,
           (SELECT count(*) FROM directory_sync.membership m
            WHERE m.district_id = g.district_id AND m.target_id = g.target_id
              AND m.group_key = g.group_key) AS members
    FROM unnest($1::text[], $2::text[]) AS t(district_id, target_id)
    JOIN directory_sync.directory_group g
        ON g.district_id = t.district_id AND g.target_id = t.target_id
    LEFT JOIN directory_sync.dirty_group d ON d.district_id = g.district_id
        AND d.target_id = g.target_id AND d.group_key = g.group_key
"""
# Rows: <= $3, primary keys of all tables.
_LIST = f"{_ROW} ORDER BY g.district_id, g.target_id, g.group_key LIMIT $3 OFFSET $4"
_ONE = f"{_ROW} WHERE g.group_key = $3 ORDER BY g.district_id, g.target_id"
_TOTAL = """
    SELECT count(*) FROM unnest($1::text[], $2::text[]) AS t(district_id, target_id)
    JOIN directory_sync.directory_group g
        ON g.district_id = t.district_id AND g.target_id = t.target_id
"""
_MEMBERS = """
    SELECT person_id, account_id, since FROM directory_sync.membership
    WHERE district_id = $1 AND target_id = $2 AND group_key = $3 ORDER BY person_id, account_id
"""
_COUNTS = """
    SELECT (SELECT count(*) FROM directory_sync.membership
            WHERE district_id = $1 AND target_id = $2) AS memberships,
           (SELECT count(*) FROM directory_sync.dirty_group
            WHERE district_id = $1 AND target_id = $2) AS waiting,
           count(*) AS groups, coalesce(sum(held), 0) AS held
    FROM directory_sync.directory_group WHERE district_id = $1 AND target_id = $2
"""
_FAILING = """
    SELECT last_error_code AS code, count(*) AS n FROM directory_sync.directory_group
    WHERE district_id = $1 AND target_id = $2 AND last_error_code IS NOT NULL
    GROUP BY last_error_code
"""


class PostgresGroupViews:
    """Pages over the read pool; each statement is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, targets: Sequence[tuple[DistrictId, TargetId]], *, limit: int, offset: int
    ) -> GroupPage:
        """Groups of these targets in the order of target and key."""
        pool = await self._database.pool()
        rows = await pool.fetch(_LIST, *_columns(targets), limit, offset, timeout=_TIMEOUT_S)
        total = await pool.fetchval(_TOTAL, *_columns(targets), timeout=_TIMEOUT_S)
        return GroupPage(total=total, rows=[_row(row) for row in rows])

    async def one(
        self, targets: Sequence[tuple[DistrictId, TargetId]], key: GroupKey
    ) -> Sequence[tuple[GroupRow, Sequence[GroupMember]]]:
        """The group in each of these targets that has it, with its members."""
        pool = await self._database.pool()
        found = await pool.fetch(_ONE, *_columns(targets), key, timeout=_TIMEOUT_S)
        shown = []
        for row in (_row(record) for record in found):
            members = await pool.fetch(
                _MEMBERS, row.district_id, row.target_id, key, timeout=_TIMEOUT_S
            )
            shown.append((row, [GroupMember(**dict(member)) for member in members]))
        return shown

    async def counts(self, district_id: DistrictId, target_id: TargetId) -> GroupCounts:
        """One target in numbers."""
        pool = await self._database.pool()
        rows = await pool.fetch(_COUNTS, district_id, target_id, timeout=_TIMEOUT_S)
        failing = await pool.fetch(_FAILING, district_id, target_id, timeout=_TIMEOUT_S)
        codes = {one["code"]: one["n"] for one in failing}
        return GroupCounts(**dict(rows[0]), failing=codes)


def _columns(targets: Sequence[tuple[DistrictId, TargetId]]) -> tuple[list[str], list[str]]:
    return [district_id for district_id, _ in targets], [target_id for _, target_id in targets]


def _row(row: asyncpg.Record) -> GroupRow:
    return GroupRow(
        district_id=row["district_id"],
        target_id=row["target_id"],
        key=GroupKey(row["group_key"]),
        kind=GroupKind(row["kind"]),
        group_id=row["group_id"],
        display_name=row["display_name"],
        members=row["members"],
        held=row["held"],
        held_since=row["held_since"],
        waiting_since=row["waiting_since"],
        correlation_id=row["correlation_id"],
        changed_at=row["changed_at"],
        error_code=row["last_error_code"],
    )
