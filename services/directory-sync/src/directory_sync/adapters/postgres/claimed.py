"""What a person's account is planned from: roster state, our record, accounts found. Raw driver.

The ids stand in a lateral look-up each: a join would be planned by figures that are old while
tables fill, and loop over the whole target.
"""

from collections.abc import Mapping, Sequence

import asyncpg
import orjson

from directory_sync.adapters.postgres.stored import load_actual, load_person
from directory_sync.domain.account import AccountRecord, ActualAccount, Names, NameSource
from directory_sync.domain.fact import Cause
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.names import key_of
from directory_sync.domain.person import Person
from directory_sync.domain.work import Claimed

# Rows: one per claimed person, by primary keys.
_FACTS = """
    SELECT w.person_id, p.state::text AS state, a.person_id IS NOT NULL AS known,
           a.username, a.email, a.username_source, a.asked_at,
           a.observed::text AS observed, a.unheeded::text AS unheeded,
           a.named_at IS NOT NULL AS named
    FROM unnest($3::text[]) AS w(person_id)
    LEFT JOIN LATERAL (SELECT * FROM directory_sync.person
        WHERE district_id = $1 AND person_id = w.person_id OFFSET 0) AS p ON true
    LEFT JOIN LATERAL (SELECT * FROM directory_sync.account
        WHERE district_id = $1 AND target_id = $2 AND person_id = w.person_id OFFSET 0) AS a ON true
"""
# Rows: accounts of the first read that carry the id or the username; two index look-ups each.
_CANDIDATES = """
    SELECT w.person_id, f.account_id, f.external_id, f.username_key, f.observed::text AS observed
    FROM unnest($3::text[], $4::text[]) AS w(person_id, username_key)
    CROSS JOIN LATERAL (SELECT * FROM directory_sync.found_account
        WHERE district_id = $1 AND target_id = $2
          AND (external_id = w.person_id OR username_key = w.username_key) OFFSET 0) AS f
"""


async def with_facts(
    driver: asyncpg.Connection,
    district_id: DistrictId,
    target_id: TargetId,
    marks: Sequence[asyncpg.Record],
) -> Sequence[Claimed]:
    """The persons of `marks` (id, cause, attempts, generation) with their facts, by id."""
    if not marks:
        return []
    ids = [row["person_id"] for row in marks]
    rows = await driver.fetch(_FACTS, district_id, target_id, ids)
    facts = {row["person_id"]: row for row in rows}
    people = {
        person_id: None if row["state"] is None else load_person(row["state"])
        for person_id, row in facts.items()
    }
    records = {person_id: record_of(row) for person_id, row in facts.items()}
    unlinked = [i for i in ids if (held := records[i]) is None or held.actual is None]
    found = await _candidates(driver, district_id, target_id, unlinked, people)
    return [
        Claimed(
            person_id=PersonId(row["person_id"]),
            person=people[row["person_id"]],
            record=records[row["person_id"]],
            found=found.get(row["person_id"], ()),
            cause=Cause(
                correlation_id=row["correlation_id"],
                causation_id=row["causation_id"],
                origin=row["origin"],
            ),
            attempt=row["attempts"],
            generation=row["generation"],
        )
        for row in sorted(marks, key=lambda mark: str(mark["person_id"]))
    ]


async def _candidates(
    driver: asyncpg.Connection,
    district_id: DistrictId,
    target_id: TargetId,
    unlinked: Sequence[str],
    people: Mapping[str, Person | None],
) -> Mapping[str, list[ActualAccount]]:
    keys = [
        key_of(person.username)
        if (person := people[person_id]) is not None and person.username
        else None
        for person_id in unlinked
    ]
    rows = await driver.fetch(_CANDIDATES, district_id, target_id, unlinked, keys)
    found: dict[str, list[ActualAccount]] = {}
    for row in rows:
        found.setdefault(row["person_id"], []).append(_found(row))
    return found


def _found(row: asyncpg.Record) -> ActualAccount:
    if row["observed"] is not None:
        return load_actual(row["observed"])
    return ActualAccount(
        account_id=row["account_id"],
        external_id=row["external_id"],
        username=row["username_key"],
        email=None,
        enabled=True,
        attributes={},
    )


def record_of(row: asyncpg.Record) -> AccountRecord | None:
    """The record in a row with `known`, names, `asked_at`, `observed`, `unheeded`, `named`."""
    if not row["known"]:
        return None
    names = None
    if row["username"] is not None:
        names = Names(
            username=row["username"],
            email=row["email"],
            source=NameSource(row["username_source"]),
        )
    return AccountRecord(
        person_id=PersonId(row["person_id"]),
        names=names,
        actual=None if row["observed"] is None else load_actual(row["observed"]),
        asked_at=row["asked_at"],
        unheeded=orjson.loads(row["unheeded"]),
        named=row["named"],
    )
