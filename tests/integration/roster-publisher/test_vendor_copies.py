"""What a vendor has of one person: records, fields, since when, and what it was told of the end."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from roster_publisher.adapters.postgres.copies import PostgresCopies
from roster_publisher.adapters.postgres.feed import PostgresFeed
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.adapters.postgres.webhooks import PostgresStandings
from roster_publisher.adapters.subscriptions import ConfiguredSubscriptions
from roster_publisher.domain.collections import ROSTER
from roster_publisher.domain.copies import VendorCopy
from roster_publisher.domain.webhooks import Subscription
from roster_publisher.usecases.report_copies import CopiesReport, ReportCopies
from tests.support.oneroster_records import (
    class_,
    demographics,
    enrollment,
    org,
    role,
    school_world,
    user,
)
from tests.support.publishing import Publishing
from tests.support.pushing import LEASE, pushing
from tests.support.webhook_receiver import start_receiver

SECRET = "whsec_" + "QUFB" * 8
AMY = user(
    "amy",
    familyName="secret",
    email="secret@x.test",
    userIds=[{"type": "sis", "identifier": "secret"}],
    metadata={"bus": "secret", "home": {"street": "secret", "town": "secret"}},
)
WORLD: list[tuple[str, Any]] = [
    *school_world(),
    ("org", org("s2")),
    ("class", class_("k2", school="s2")),
    ("user", AMY),
    ("user", user("ben")),
    ("enrollment", enrollment("e1", user="amy")),
    ("enrollment", enrollment("e2", user="amy", class_id="k2", school="s2")),
    ("enrollment", enrollment("e3", user="ben")),
    ("demographics", demographics("amy", cityOfBirth="secret")),
]


async def reported(
    publishing: Publishing,
    person: str = "amy",
    *,
    client: str = "vendor",
    subscriptions: tuple[Subscription, ...] = (),
) -> CopiesReport:
    standings = PostgresStandings(publishing.database, holder="one", lease=LEASE)
    vendors = PostgresVendors(publishing.database)
    report = ReportCopies(
        PostgresCopies(publishing.reads.lines, vendors),
        PostgresFeed(publishing.reads.lines),
        publishing.audit,
        ConfiguredSubscriptions(subscriptions),
        standings,
        publishing.clock,
    )
    found = await report("d1", client, person)
    assert found is not None
    assert "secret" not in str(found.copies)
    return found


def by_id(found: CopiesReport) -> dict[tuple[str, str], VendorCopy]:
    return {(one.entity, one.sourced_id): one for one in found.copies}


def names(copy: VendorCopy) -> dict[str, str | None]:
    return {one.name: one.how for one in copy.fields}


async def test_every_record_with_its_fields_and_since_when(publishing: Publishing) -> None:
    made = publishing.clock.now()
    agreed: dict[str, Any] = {
        "email": "hash",
        "familyName": "drop",
        "userIds.identifier": "hash",
        "metadata.home.street": "drop",
        "metadata.bus": "hash",
        "birthDate": "year",
        "cityOfBirth": "drop",
    }
    async with publishing.vendor(transforms=agreed, schools=("s1",)):
        await publishing.publish(*WORLD)
        found = await reported(publishing)
    at = made + timedelta(seconds=1)

    assert [(one.entity, one.sourced_id) for one in found.copies] == [
        ("user", "amy"),
        ("demographics", "amy"),
        ("enrollment", "e1"),
        ("class", "k1"),
    ]
    assert {(one.state, one.since, one.changed_at) for one in found.copies} == {("active", at, at)}
    amy = names(found.copies[0])
    assert amy == dict.fromkeys(
        ("sourcedId", "status", "dateLastModified", "enabledUser", "givenName", "roles", "userIds")
    ) | {
        "email": "hash",
        "userIds.identifier": "hash",
        "metadata.bus": "hash",
        "metadata.home": None,
    }
    assert names(found.copies[1])["birthDate"] == "year"
    assert "cityOfBirth" not in names(found.copies[1])


async def test_when_the_vendor_last_pulled_is_told_by_kind_of_record(
    publishing: Publishing,
) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as http:
        first = publishing.clock.now()
        assert (await http.get("/users")).status_code == 200
        publishing.clock.advance(60)
        assert (await http.get("/demographics/amy")).status_code == 200
        await publishing.audit.flush()
        found = await reported(publishing)

    assert found.pulled_at == {"user": first, "demographics": publishing.clock.now()}


async def test_field_groups_and_token_scopes_count(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor(fields=frozenset({"contact"}), scopes=frozenset({ROSTER})):
        found = by_id(await reported(publishing))

    assert ("demographics", "amy") not in found
    assert {"givenName", "familyName", "userIds", "metadata.bus"}.isdisjoint(
        names(found["user", "amy"])
    )
    assert "email" in names(found["user", "amy"])
    assert ("class", "k2") in found


async def test_who_has_left_was_sent_what_they_were_and_a_tombstone_is_out(
    publishing: Publishing,
) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor(schools=("s1",)):
        before = by_id(await reported(publishing))
        await publishing.publish(("user", AMY | {"roles": [role("s2")]}))
        after = by_id(await reported(publishing))

    # The client is younger than what it sees, so it has had it since it was made.
    made = before["user", "amy"].since
    assert before.keys() == after.keys()
    gone = {key for key, one in after.items() if one.state == "left"}
    assert gone == {("user", "amy"), ("demographics", "amy"), ("enrollment", "e1")}
    for key in gone:
        assert after[key].since == made
        assert after[key].changed_at == publishing.clock.now()
        assert names(after[key]) == names(before[key])


async def test_who_was_deleted_and_who_is_past_retention(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor():
        await publishing.publish(
            ("enrollment", "e1"), ("enrollment", "e2"), ("demographics", "amy"), ("user", "amy")
        )
        found = by_id(await reported(publishing))
        assert found["user", "amy"].state == "tobedeleted"
        assert "email" in names(found["user", "amy"])
        publishing.clock.advance(timedelta(days=91).total_seconds())
        await publishing.purge()
        assert by_id(await reported(publishing)) == {}


@pytest.mark.parametrize("person", ["nobody", "ben"])
async def test_a_person_out_of_sight_has_no_records(publishing: Publishing, person: str) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor(schools=("s2",)):
        found = await reported(publishing, person)

    assert found.copies == []


async def test_the_end_of_the_agreement_and_webhooks_are_told(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*WORLD)
    ends = publishing.clock.now() + timedelta(seconds=60)
    receiver = start_receiver(tmp_path / "receiver", SECRET)
    try:
        async with (
            publishing.vendor(expires_at=ends),
            pushing(publishing, receiver.url, SECRET) as vendor,
        ):
            await vendor.all()
            told = publishing.clock.now()
            before = await reported(publishing, subscriptions=(vendor.subscription,))
            publishing.clock.advance(60)
            after = await reported(publishing, subscriptions=(vendor.subscription,))
    finally:
        receiver.kill()

    assert (before.in_force, after.in_force) == (True, False)
    assert before.told_at == after.told_at == told
    # What it was sent it still has.
    assert before.copies == after.copies
    assert after.grant.agreement == "2026-17"
