"""Places, groups, memberships and spent removals in PostgreSQL. Raw driver, written as sets."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import asyncpg

from directory_sync.adapters.postgres.stored import load_person
from directory_sync.domain.group import GroupKind, GroupName, Place, touched
from directory_sync.domain.guard import WINDOW, Budget
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.membership import GroupWrite, MemberChange, Standing
from directory_sync.domain.plans import Item

# Rows: places of one batch's changed persons, primary key.
_PLACES_OF = """
    SELECT person_id, group_key, number, kind, subject_id, role, begin_day, end_day, school_name
    FROM directory_sync.place WHERE district_id = $1 AND person_id = ANY($2::text[])
"""
_DROP_PLACES = """
    DELETE FROM directory_sync.place p
    USING unnest($2::text[], $3::text[], $4::smallint[]) AS r(person_id, group_key, number)
    WHERE p.district_id = $1 AND p.person_id = ANY($2::text[]) AND p.person_id = r.person_id
      AND p.group_key = r.group_key AND p.number = r.number
"""
_ADD_PLACES = """
    INSERT INTO directory_sync.place
        (district_id, person_id, group_key, number, kind, subject_id, role, begin_day, end_day,
         school_name, changed_at)
    SELECT $1, r.*, $11
    FROM unnest($2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[],
                $8::text[], $9::text[], $10::text[]) AS r
"""
_WRITE = """
    INSERT INTO directory_sync.directory_group AS g
        (district_id, target_id, group_key, kind, subject_id, group_id, display_name, doubt, held,
         held_since, correlation_id, changed_at, last_error_code, last_error_at, adopted)
    SELECT $1, $2, r.group_key, r.kind, r.subject_id, r.group_id, r.display_name, r.doubt, r.held,
           CASE WHEN r.held > 0 THEN $12::timestamptz END, r.correlation_id, $12, r.error,
           CASE WHEN r.error IS NOT NULL THEN $12::timestamptz END, r.adopted
    FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::integer[], $10::text[], $11::text[], $13::boolean[])
        AS r(group_key, kind, subject_id, group_id, display_name, doubt, held, error,
             correlation_id, adopted)
    ORDER BY r.group_key
    ON CONFLICT (district_id, target_id, group_key) DO UPDATE SET
        group_id = excluded.group_id, display_name = excluded.display_name,
        doubt = excluded.doubt, held = excluded.held,
        held_since = CASE WHEN excluded.held > 0
            THEN coalesce(g.held_since, excluded.held_since) END,
        correlation_id = excluded.correlation_id, changed_at = excluded.changed_at,
        last_error_code = excluded.last_error_code, last_error_at = excluded.last_error_at,
        adopted = excluded.adopted
"""
_SETTLE = """
    UPDATE directory_sync.directory_group
    SET held = 0, held_since = NULL, last_error_code = NULL, last_error_at = NULL, adopted = false
    WHERE district_id = $1 AND target_id = $2 AND group_key = ANY($3::text[])
      AND (held > 0 OR last_error_code IS NOT NULL OR adopted)
"""
_ADD_MEMBERS = """
    INSERT INTO directory_sync.membership
        (district_id, target_id, group_key, account_id, person_id, since)
    SELECT $1, $2, r.group_key, r.account_id, r.person_id, $6
    FROM unnest($3::text[], $4::text[], $5::text[]) AS r(group_key, account_id, person_id)
    ON CONFLICT (district_id, target_id, group_key, account_id) DO NOTHING
"""
_DROP_MEMBERS = """
    DELETE FROM directory_sync.membership m
    USING unnest($3::text[], $4::text[]) AS r(group_key, account_id)
    WHERE m.district_id = $1 AND m.target_id = $2 AND m.group_key = ANY($3::text[])
      AND m.group_key = r.group_key AND m.account_id = r.account_id
"""
# Rows: strangers in the groups of one round, index stranger_group.
_FORGET_STRANGERS = """
    DELETE FROM directory_sync.stranger
    WHERE district_id = $1 AND target_id = $2 AND group_key = ANY($3::text[])
"""
_ADD_STRANGERS = """
    INSERT INTO directory_sync.stranger (district_id, target_id, group_key, account_id)
    SELECT $1, $2, * FROM unnest($3::text[], $4::text[])
"""
# Rows: groups in which these accounts were seen, primary key.
_RECOGNISE = """
    WITH known AS (
        DELETE FROM directory_sync.stranger
        WHERE district_id = $1 AND target_id = $2 AND account_id = ANY($3::text[])
        RETURNING group_key, account_id
    )
    INSERT INTO directory_sync.membership
        (district_id, target_id, group_key, account_id, person_id, since)
    SELECT $1, $2, k.group_key, k.account_id, r.person_id, $5
    FROM known k JOIN unnest($3::text[], $4::text[]) AS r(account_id, person_id)
        USING (account_id)
    ON CONFLICT (district_id, target_id, group_key, account_id) DO NOTHING
"""
_OWNERS = """
    SELECT account_id, person_id FROM directory_sync.account
    WHERE district_id = $1 AND target_id = $2 AND account_id = ANY($3::text[])
"""
# Rows: persons about to lose a membership; primary keys.
_STANDINGS = """
    SELECT w.person_id, p.state::text AS state, a.person_id IS NOT NULL AS enabled,
           d.person_id IS NOT NULL AS marked
    FROM unnest($3::text[]) AS w(person_id)
    LEFT JOIN LATERAL (SELECT state FROM directory_sync.person
        WHERE district_id = $1 AND person_id = w.person_id OFFSET 0) AS p ON true
    LEFT JOIN LATERAL (SELECT person_id FROM directory_sync.account
        WHERE district_id = $1 AND target_id = $2 AND person_id = w.person_id
          AND state = 'enabled' OFFSET 0) AS a ON true
    LEFT JOIN LATERAL (SELECT person_id FROM directory_sync.dirty
        WHERE district_id = $1 AND target_id = $2 AND person_id = w.person_id OFFSET 0) AS d ON true
"""
_PASSED = """
    SELECT group_key, account_id FROM directory_sync.removal
    WHERE district_id = $1 AND target_id = $2 AND group_key = ANY($3::text[]) AND at > $4
"""
# One row: index removal_at, and a count of the target's memberships. Those that went within the
# budget still count: the population is what stood before anything was spent.
_BUDGET = """
    SELECT count(*) AS spent,
           count(*) FILTER (WHERE m.account_id IS NULL) + (
            SELECT count(*) FROM directory_sync.membership
            WHERE district_id = $1 AND target_id = $2) AS population,
           EXISTS (SELECT 1 FROM directory_sync.plan
            WHERE district_id = $1 AND target_id = $2 AND state = 'open' AND kind = 'removals')
            AS asking
    FROM directory_sync.removal s
    LEFT JOIN directory_sync.membership m ON m.district_id = $1 AND m.target_id = $2
        AND m.group_key = s.group_key AND m.account_id = s.account_id
    WHERE s.district_id = $1 AND s.target_id = $2 AND s.at > $3
"""
_SPEND = """
    INSERT INTO directory_sync.removal (district_id, target_id, group_key, account_id, at)
    SELECT $1, $2, r.group_key, r.account_id, $5
    FROM unnest($3::text[], $4::text[]) AS r(group_key, account_id)
    ON CONFLICT (district_id, target_id, group_key, account_id) DO UPDATE SET at = excluded.at
"""
_FORGET_SPENT = """
    DELETE FROM directory_sync.removal WHERE district_id = $1 AND target_id = $2 AND at <= $3
"""
_READ_DONE = """
    SELECT groups_read_at FROM directory_sync.target
    WHERE district_id = $1 AND target_id = $2 AND live_at IS NOT NULL
"""
_NOTE_READ = """
    UPDATE directory_sync.target SET groups_read_at = $3 WHERE district_id = $1 AND target_id = $2
"""


class PostgresGroups:
    """Places and records of groups, inside one transaction."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def put_places(
        self,
        district_id: DistrictId,
        places: Mapping[PersonId, frozenset[Place]],
        *,
        now: datetime,
    ) -> Mapping[PersonId, frozenset[GroupName]]:
        """Store each person's places; returns the groups they touch, by person."""
        before = await self._places(district_id, list(places))
        gone = [(i, p) for i, new in places.items() for p in before.get(i, frozenset()) - new]
        come = [(i, p) for i, new in places.items() for p in new - before.get(i, frozenset())]
        if gone:
            await self._driver.execute(
                _DROP_PLACES,
                district_id,
                [person_id for person_id, _ in gone],
                [place.name.key for _, place in gone],
                [place.number for _, place in gone],
            )
        if come:
            await self._driver.execute(
                _ADD_PLACES,
                district_id,
                [person_id for person_id, _ in come],
                [place.name.key for _, place in come],
                [place.number for _, place in come],
                [place.name.kind.value for _, place in come],
                [place.name.subject_id for _, place in come],
                [place.role for _, place in come],
                [place.begin for _, place in come],
                [place.end for _, place in come],
                [place.school_name for _, place in come],
                now,
            )
        return {i: touched(before.get(i, ()), new) for i, new in places.items()}

    async def groups_of(
        self, district_id: DistrictId, person_ids: Sequence[PersonId]
    ) -> Mapping[PersonId, frozenset[GroupName]]:
        """The groups in which these persons have, had or will have a place."""
        places = await self._places(district_id, person_ids)
        return {i: frozenset(place.name for place in of) for i, of in places.items()}

    async def _places(
        self, district_id: DistrictId, person_ids: Sequence[PersonId]
    ) -> dict[PersonId, frozenset[Place]]:
        rows = await self._driver.fetch(_PLACES_OF, district_id, list(person_ids))
        found: dict[PersonId, set[Place]] = {}
        for row in rows:
            name = GroupName(kind=GroupKind(row["kind"]), subject_id=row["subject_id"])
            place = Place(
                name=name,
                number=row["number"],
                role=row["role"],
                begin=row["begin_day"],
                end=row["end_day"],
                school_name=row["school_name"],
            )
            found.setdefault(PersonId(row["person_id"]), set()).add(place)
        return {person_id: frozenset(of) for person_id, of in found.items()}

    async def write(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        writes: Sequence[GroupWrite],
        *,
        now: datetime,
    ) -> None:
        """Store records as given; one write per group."""
        await self._driver.execute(
            _WRITE,
            district_id,
            target_id,
            [w.name.key for w in writes],
            [w.name.kind.value for w in writes],
            [w.name.subject_id for w in writes],
            [w.group_id for w in writes],
            [w.display_name for w in writes],
            [None if w.doubt is None else w.doubt.value for w in writes],
            [w.held for w in writes],
            [w.error_code for w in writes],
            [w.cause.correlation_id for w in writes],
            now,
            [w.adopted for w in writes],
        )

    async def settle(
        self, district_id: DistrictId, target_id: TargetId, names: Sequence[GroupName]
    ) -> None:
        """Note that these groups are right: nothing held, no error."""
        await self._driver.execute(_SETTLE, district_id, target_id, [n.key for n in names])

    async def change_members(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        added: Sequence[MemberChange],
        removed: Sequence[MemberChange],
        now: datetime,
    ) -> None:
        """Store who is in a group now, and who no longer is."""
        if removed:
            await self._driver.execute(_DROP_MEMBERS, district_id, target_id, *_pairs(removed))
        if added:
            people = [change.person_id for change in added]
            await self._driver.execute(
                _ADD_MEMBERS, district_id, target_id, *_pairs(added), people, now
            )

    async def owners(
        self, district_id: DistrictId, target_id: TargetId, account_ids: Sequence[str]
    ) -> Mapping[str, PersonId]:
        """Whose accounts these are; those that are nobody's of ours are left out."""
        rows = await self._driver.fetch(_OWNERS, district_id, target_id, list(account_ids))
        return {row["account_id"]: PersonId(row["person_id"]) for row in rows}

    async def note_strangers(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        strangers: Mapping[GroupName, Collection[str]],
    ) -> None:
        """Replace what is known of the accounts in these groups that are nobody's of ours."""
        keys = [name.key for name in strangers]
        await self._driver.execute(_FORGET_STRANGERS, district_id, target_id, keys)
        pairs = [(name.key, a) for name, of in strangers.items() for a in sorted(of)]
        if pairs:
            await self._driver.execute(
                _ADD_STRANGERS, district_id, target_id, [k for k, _ in pairs], [a for _, a in pairs]
            )

    async def recognise(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        owners: Mapping[str, PersonId],
        *,
        now: datetime,
    ) -> None:
        """These accounts are these persons': where they were seen as strangers they are members."""
        accounts, people = list(owners), list(owners.values())
        await self._driver.execute(_RECOGNISE, district_id, target_id, accounts, people, now)

    async def standings(
        self, district_id: DistrictId, target_id: TargetId, person_ids: Sequence[PersonId]
    ) -> Sequence[Standing]:
        """Where these persons and their accounts stand."""
        rows = await self._driver.fetch(_STANDINGS, district_id, target_id, list(person_ids))
        return [
            Standing(
                person_id=PersonId(row["person_id"]),
                person=None if row["state"] is None else load_person(row["state"]),
                enabled=row["enabled"],
                marked=row["marked"],
            )
            for row in rows
        ]

    async def passed(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        removals: Sequence[MemberChange],
        *,
        since: datetime,
    ) -> frozenset[Item]:
        """Those of the removals that cost budget since then."""
        keys = [change.key for change in removals]
        rows = await self._driver.fetch(_PASSED, district_id, target_id, keys, since)
        spent = {(row["group_key"], row["account_id"]) for row in rows}
        return frozenset(c.item for c in removals if (c.key, c.account_id) in spent)

    async def budget(
        self, district_id: DistrictId, target_id: TargetId, *, since: datetime
    ) -> Budget:
        """What removals have of the target's memberships."""
        (row,) = await self._driver.fetch(_BUDGET, district_id, target_id, since)
        return Budget(**dict(row))

    async def spend(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        removals: Sequence[MemberChange],
        *,
        now: datetime,
    ) -> None:
        """Note removals before they are asked for; forgets what is older than the window."""
        await self._driver.execute(_FORGET_SPENT, district_id, target_id, now - WINDOW)
        await self._driver.execute(_SPEND, district_id, target_id, *_pairs(removals), now)

    async def must_read(self, district_id: DistrictId, target_id: TargetId) -> bool | None:
        """Whether a first read of groups is due; None when accounts have to be read before."""
        row = await self._driver.fetchrow(_READ_DONE, district_id, target_id)
        return None if row is None else row["groups_read_at"] is None

    async def note_read(
        self, district_id: DistrictId, target_id: TargetId, *, now: datetime
    ) -> None:
        """Remember that the target's groups were read."""
        await self._driver.execute(_NOTE_READ, district_id, target_id, now)


def _pairs(changes: Sequence[MemberChange]) -> tuple[list[str], list[str]]:
    return [change.key for change in changes], [change.account_id for change in changes]
