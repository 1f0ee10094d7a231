"""What claimed groups are made from: places, accounts, classes, records. Raw driver, reads only."""

from collections.abc import Mapping, Sequence

import asyncpg

from directory_sync.adapters.postgres.stored import load_class
from directory_sync.domain.fact import Cause
from directory_sync.domain.group import GroupKey, GroupKind, GroupName, Place
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.membership import ClaimedGroup, Doubt, KnownGroup
from directory_sync.domain.person import RosterClass

# Rows: all places of the claimed groups, index place_group; the last told stands last.
_PLACES = """
    SELECT group_key, person_id, number, kind, subject_id, role, begin_day, end_day, school_name
    FROM directory_sync.place WHERE district_id = $1 AND group_key = ANY($2::text[])
    ORDER BY changed_at, person_id
"""
# Rows: one per person with a place and an account that is on, primary key.
_ACCOUNTS = """
    SELECT person_id, account_id FROM directory_sync.account
    WHERE district_id = $1 AND target_id = $2 AND person_id = ANY($3::text[]) AND state = 'enabled'
"""
_CLASSES = """
    SELECT class_id, state::text AS state FROM directory_sync.class
    WHERE district_id = $1 AND class_id = ANY($2::text[]) AND NOT deleted
"""
_KNOWN = """
    SELECT group_key, group_id, display_name, doubt, adopted FROM directory_sync.directory_group
    WHERE district_id = $1 AND target_id = $2 AND group_key = ANY($3::text[])
"""
_MEMBERS = """
    SELECT group_key, account_id, person_id FROM directory_sync.membership
    WHERE district_id = $1 AND target_id = $2 AND group_key = ANY($3::text[])
"""


async def claimed_groups(
    driver: asyncpg.Connection,
    district_id: DistrictId,
    target_id: TargetId,
    marks: Sequence[asyncpg.Record],
) -> Sequence[ClaimedGroup]:
    """The groups of these marks with their facts, by key; sees what its transaction sees."""
    keys = [row["group_key"] for row in marks]
    subjects = [row["subject_id"] for row in marks if row["kind"] == GroupKind.CLASS]
    places = await driver.fetch(_PLACES, district_id, keys)
    people = sorted({row["person_id"] for row in places})
    accounts = await driver.fetch(_ACCOUNTS, district_id, target_id, people)
    facts = _Facts(
        places=places,
        accounts={PersonId(row["person_id"]): row["account_id"] for row in accounts},
        classes=await driver.fetch(_CLASSES, district_id, subjects),
        known=await driver.fetch(_KNOWN, district_id, target_id, keys),
        members=await driver.fetch(_MEMBERS, district_id, target_id, keys),
    )
    return [facts.claimed(row) for row in sorted(marks, key=lambda row: str(row["group_key"]))]


class _Facts:
    """What the claimed groups are made from, by key."""

    def __init__(
        self,
        *,
        places: Sequence[asyncpg.Record],
        accounts: Mapping[PersonId, str],
        classes: Sequence[asyncpg.Record],
        known: Sequence[asyncpg.Record],
        members: Sequence[asyncpg.Record],
    ) -> None:
        self._places: dict[str, list[tuple[PersonId, Place]]] = {}
        self._members: dict[str, dict[str, PersonId]] = {}
        for row in places:
            of_key = self._places.setdefault(row["group_key"], [])
            of_key.append((PersonId(row["person_id"]), _place(row)))
        for row in members:
            of_group = self._members.setdefault(row["group_key"], {})
            of_group[row["account_id"]] = PersonId(row["person_id"])
        self._accounts = accounts
        self._classes = {row["class_id"]: load_class(row["state"]) for row in classes}
        self._known = {row["group_key"]: row for row in known}

    def claimed(self, mark: asyncpg.Record) -> ClaimedGroup:
        """One marked group with its facts."""
        name = GroupName(kind=GroupKind(mark["kind"]), subject_id=mark["subject_id"])
        places = self._places.get(name.key, [])
        told = [place.school_name for _, place in places if place.school_name]
        roster_class: RosterClass | None = None
        if name.kind is GroupKind.CLASS:
            roster_class = self._classes.get(name.subject_id)
        return ClaimedGroup(
            name=name,
            places=places,
            accounts={i: self._accounts[i] for i, _ in places if i in self._accounts},
            roster_class=roster_class,
            school_name=told[-1] if told else None,
            known=self._known_group(name.key),
            cause=Cause(
                correlation_id=mark["correlation_id"],
                causation_id=mark["causation_id"],
                origin=mark["origin"],
            ),
            attempt=mark["attempts"],
            generation=mark["generation"],
        )

    def _known_group(self, key: GroupKey) -> KnownGroup | None:
        row = self._known.get(key)
        if row is None:
            return None
        return KnownGroup(
            group_id=row["group_id"],
            display_name=row["display_name"],
            doubt=None if row["doubt"] is None else Doubt(row["doubt"]),
            members=self._members.get(key, {}),
            adopted=row["adopted"],
        )


def _place(row: asyncpg.Record) -> Place:
    return Place(
        name=GroupName(kind=GroupKind(row["kind"]), subject_id=row["subject_id"]),
        number=row["number"],
        role=row["role"],
        begin=row["begin_day"],
        end=row["end_day"],
        school_name=row["school_name"],
    )
