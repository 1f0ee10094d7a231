"""Who leaves, as the backlog's statement has it, is who leaves as the domain has it."""

import random
from datetime import UTC, date, datetime

import asyncpg

from directory_sync.adapters.postgres.outlook import PostgresOutlook
from directory_sync.adapters.postgres.stored import dump
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.person import Person, Role, current_role
from directory_sync.domain.policy import Policy

TODAY = date(2026, 9, 1)
NOW = datetime(2026, 9, 1, tzinfo=UTC)
DAYS = (None, date(2026, 8, 31), TODAY, date(2026, 9, 2))
POLICY = Policy(
    district_id=DistrictId("north"),
    target_id=TargetId("directory"),
    roles=frozenset({"student", "teacher"}),
    email_domain=None,
    time_zone="UTC",
)
STORE = """
    WITH told AS (
        INSERT INTO directory_sync.person
            (district_id, person_id, state, content_hash, deleted, correlation_id, origin,
             changed_at)
        SELECT 'north', p, s::jsonb, '', s IS NULL, 'why', 'webhook', $3
        FROM unnest($1::text[], $2::text[]) AS r(p, s)
    ), made AS (
        INSERT INTO directory_sync.account
            (district_id, target_id, person_id, account_id, state, observed, correlation_id,
             changed_at)
        SELECT 'north', 'directory', p, p, 'enabled',
               '{"account_id": "a", "external_id": null, "username": "u", "email": null,
                 "enabled": true, "attributes": {}}', 'why', $3
        FROM unnest($1::text[]) AS r(p)
    )
    INSERT INTO directory_sync.dirty
        (district_id, target_id, person_id, lane, correlation_id, origin, since, next_attempt_at)
    SELECT 'north', 'directory', p, 0, 'why', 'webhook', $3, $3 FROM unnest($1::text[]) AS r(p)
"""


async def test_the_statement_and_the_domain_name_the_same_leavers(directory_database_url):
    chance = random.Random(7)
    people = {f"p{n:03}": _person(chance, f"p{n:03}") for n in range(400)}
    people |= {"erased": None}
    driver = await asyncpg.connect(directory_database_url)

    try:
        states = [None if p is None else dump(p) for p in people.values()]
        await driver.execute(STORE, list(people), states, NOW)
        found = await PostgresOutlook(driver).leaving(
            POLICY, today=TODAY, passed_since=NOW, after=PersonId(""), limit=1_000
        )
    finally:
        await driver.close()

    leaving = {
        person_id
        for person_id, person in people.items()
        if person is None or current_role(person, roles=POLICY.roles, today=TODAY) is None
    }
    assert {one.person_id for one in found} == leaving
    assert 50 < len(leaving) < 350


def _person(chance: random.Random, person_id: str) -> Person:
    roles = tuple(
        Role(
            role=chance.choice(("student", "teacher", "guardian")),
            role_type="primary",
            org_id="hill",
            begin=chance.choice(DAYS),
            end=chance.choice(DAYS),
        )
        for _ in range(chance.randrange(4))
    )
    return Person(
        person_id=PersonId(person_id),
        active=chance.random() < 0.8,
        enabled=chance.random() < 0.8,
        given_name="Ada",
        family_name="Lovelace",
        preferred_first_name=None,
        preferred_last_name=None,
        username=None,
        email=None,
        primary_org_id=None,
        roles=roles,
        seats=(),
    )
