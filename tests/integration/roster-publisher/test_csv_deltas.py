"""A vendor that had a bulk package and takes in deltas holds what a new bulk package holds."""

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.domain.access import Client, Grant
from roster_publisher.domain.collections import KNOWN_SCOPES
from roster_publisher.domain.csv_layout import Version
from roster_publisher.domain.rules import Rule
from roster_publisher.usecases.export_package import Package, PackageRequest
from tests.support.csv_package import CsvPackage, applied, different, read_package, unresolved
from tests.support.oneroster_records import (
    class_,
    course,
    demographics,
    enrollment,
    org,
    ref,
    role,
    school_world,
    session,
    user,
)
from tests.support.publishing import Publishing

AT = "/exports/oneroster.zip"
DISTRICTS = itertools.count(1)
# A district, a school, two of them, a rule by course.
GRANTS: tuple[dict[str, Any], ...] = (
    {},
    {"school_ids": ("s1",)},
    {"school_ids": ("s1", "s2")},
    {"rules": (Rule(courses=("c1",)),)},
)
WORLD: list[tuple[Any, Any]] = [
    *school_world(users=2),
    ("org", org("s2", parent=ref("org", "s1"))),
    ("academicSession", session("t2", parent=ref("academicSession", "t1"))),
    ("course", course("c2", schoolYear=ref("academicSession", "t1"))),
    ("class", class_("k2", school="s2", course="c2", term="t2")),
    ("user", user("u002", role("s2"), agents=[ref("user", "u000")])),
    ("enrollment", enrollment("e0", user="u000")),
    ("enrollment", enrollment("e1", user="u002", class_id="k2", school="s2")),
    ("demographics", demographics("u000")),
]
_USER = st.integers(0, 2).map(lambda n: f"u00{n}")
_SCHOOL = st.sampled_from(["s1", "s2"])
_ROLES = st.lists(
    st.builds(
        role,
        _SCHOOL,
        kind=st.sampled_from(["student", "aide"]),
        roleType=st.just("secondary"),
        beginDate=st.sampled_from(["2026-08-01", "2026-09-01"]),
    ),
    min_size=1,
    max_size=3,
)
_PROFILE = {"profileId": "urn:p", "profileType": "sso", "vendorId": "v"}
_PROFILES = st.sampled_from(
    [
        [],
        [_PROFILE | {"credentials": [{"type": "sso", "username": "a"}]}],
        [_PROFILE | {"credentials": [{"type": t, "username": "a"} for t in ("sso", "pin")]}],
    ]
)
_DELETED = st.sampled_from(
    [
        ("org", "s1"),
        ("org", "s2"),
        ("academicSession", "t1"),
        ("academicSession", "t2"),
        ("course", "c1"),
        ("course", "c2"),
        ("class", "k1"),
        ("class", "k2"),
        ("user", "u000"),
        ("user", "u002"),
        ("demographics", "u000"),
        ("enrollment", "e0"),
    ]
)
_SAID = st.one_of(
    st.builds(
        lambda one, roles, agents, profiles: (
            "user",
            user(one, *roles, agents=[ref("user", a) for a in agents], userProfiles=profiles),
        ),
        _USER,
        _ROLES,
        st.lists(_USER, max_size=2, unique=True),
        _PROFILES,
    ),
    st.builds(
        lambda n, person, k: ("enrollment", enrollment(f"e{n}", user=person, class_id=k)),
        st.integers(0, 2),
        _USER,
        st.sampled_from(["k1", "k2"]),
    ),
    st.builds(
        lambda k, school, c, terms: (
            "class",
            class_(k, school=school, course=c)
            | {"terms": [ref("academicSession", one) for one in terms]},
        ),
        st.sampled_from(["k1", "k2"]),
        _SCHOOL,
        st.sampled_from(["c1", "c2"]),
        st.lists(st.sampled_from(["t1", "t2"]), min_size=1, max_size=2, unique=True),
    ),
    st.builds(lambda one: ("demographics", demographics(one)), _USER),
    # As it was: so that what was deleted comes back, and nothing else happens.
    st.sampled_from(WORLD),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.lists(st.one_of(_DELETED, _SAID), min_size=1, max_size=3)),
        st.tuples(st.just("take"), st.integers(0, len(GRANTS) - 1)),
    ),
    min_size=4,
    max_size=12,
)


@dataclass
class Vendor:
    """Holds what packages told, and where the next delta begins."""

    publishing: Publishing
    client_id: str
    version: Version
    held: CsvPackage | None = None
    since: datetime | None = None

    async def take(self) -> None:
        """Take in what is new, and compare with a bulk package of the same revision."""
        bulk, whole = await self._package(None)
        assert unresolved(whole) == []
        if self.held is not None:
            delta, told = await self._package(self.since)
            assert delta.revision == bulk.revision
            assert different(applied(self.held, told), whole) == []
        self.held, self.since = whole, bulk.next_since

    async def _package(self, since: datetime | None) -> tuple[Package, CsvPackage]:
        client = await PostgresVendors(self.publishing.database).client(self.client_id)
        assert client is not None
        made = await self.publishing.export(
            PackageRequest(
                grant=client.grant, token_scopes=KNOWN_SCOPES, version=self.version, since=since
            )
        )
        assert isinstance(made, Package)
        return made, read_package(b"".join([chunk async for chunk in made.chunks]))


async def vendor_of(
    publishing: Publishing, client_id: str, version: Version, grant: Grant
) -> Vendor:
    """A vendor with a grant; nobody asks for its secret."""
    now = publishing.clock.now()
    await publishing.scopes.ensure(grant.district_id, grant.rules, now=now)
    client = Client(client_id=client_id, secret_hash="none", grant=grant)
    await PostgresVendors(publishing.database).seed(client, now=now)
    return Vendor(publishing=publishing, client_id=client_id, version=version)


async def check(publishing: Publishing, steps: list[tuple[str, Any]], version: Version) -> None:
    """Play the steps in a district of their own."""
    district = f"d{next(DISTRICTS)}"
    await publishing.publish(*WORLD, district=district)
    vendors = [
        await vendor_of(
            publishing,
            f"{district}-{place}",
            version,
            Grant(
                district_id=district,
                client_id=f"{district}-{place}",
                token_scopes=KNOWN_SCOPES,
                **grant,
            ),
        )
        for place, grant in enumerate(GRANTS)
    ]
    for vendor in vendors:
        await vendor.take()
    for what, arg in steps:
        if what == "say":
            await publishing.publish(*arg, district=district)
        else:
            await vendors[arg].take()
    for vendor in vendors:
        await vendor.take()


ONE_ROLE_LESS = [
    ("say", [("user", user("u000", role(), role(kind="aide", roleType="secondary")))]),
    ("take", 0),
    ("take", 1),
    ("say", [("user", user("u000"))]),
]
A_COURSE_ENDS_AND_COMES_BACK = [
    ("say", [("course", "c1")]),
    ("take", 0),
    ("say", [("course", course("c1"))]),
]
A_SCHOOL_ENDS_AND_COMES_BACK = [
    ("say", [("org", "s1"), ("academicSession", "t1")]),
    ("take", 0),
    ("take", 2),
    ("say", [("org", org("s1")), ("academicSession", session("t1"))]),
]
AN_AGENT_ENDS_AND_COMES_BACK = [
    ("say", [("user", "u000")]),
    ("take", 0),
    ("take", 2),
    ("say", [("user", user("u000"))]),
]


# Hundreds of small reads an example: minutes on a busy machine.
@pytest.mark.timeout(400)
@given(steps=STEPS, version=st.sampled_from(["1.2", "1.1"]))
@example(steps=ONE_ROLE_LESS, version="1.2")
@example(steps=A_COURSE_ENDS_AND_COMES_BACK, version="1.1")
@example(steps=A_SCHOOL_ENDS_AND_COMES_BACK, version="1.2")
@example(steps=AN_AGENT_ENDS_AND_COMES_BACK, version="1.2")
@settings(
    max_examples=6,
    # A shorter example is not worth the minutes that a database takes.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_deltas_upon_bulk_are_the_next_bulk(
    publishing: Publishing, version: Version, steps: list[tuple[str, Any]]
) -> None:
    await check(publishing, steps, version)


async def test_a_role_that_went_is_told_as_gone(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("user", user("u000", role(), role("s2", roleType="secondary"))))
    async with publishing.vendor() as all_of_it, publishing.vendor("s1", schools=("s1",)) as one:
        since = {
            vendor: (await vendor.get(AT)).headers["x-next-since"] for vendor in (all_of_it, one)
        }
        await publishing.publish(("user", user("u000")))
        told = {
            vendor: read_package(
                (await vendor.get(AT, params={"mode": "delta", "since": since[vendor]})).content
            )
            for vendor in (all_of_it, one)
        }
    roles = sorted((r["orgSourcedId"], r["status"]) for r in told[all_of_it].rows("roles"))
    assert roles == [("s1", "active"), ("s2", "tobedeleted")]
    # Nor does the other vendor hear where else somebody was.
    assert [r["orgSourcedId"] for r in told[one].rows("roles")] == ["s1"]


async def test_what_nothing_happened_to_is_not_told(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as vendor:
        since = (await vendor.get(AT)).headers["x-next-since"]
        await publishing.publish(("enrollment", "e0"))
        answer = await vendor.get(AT, params={"mode": "delta", "since": since})
    package = read_package(answer.content)
    told = {name: [*rows] for name, rows in package.files.items() if rows}
    assert told == {"enrollments": ["e0"]}
    assert {package.modes[name] for name in package.files} == {"delta"}


async def test_a_moment_is_the_same_in_every_zone(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as vendor:
        since = datetime.fromisoformat((await vendor.get(AT)).headers["x-next-since"])
        await publishing.publish(("user", user("u000", givenName="Ida")))
        for hours in (9, -9):
            zone = timezone(timedelta(hours=hours))
            asked = {"mode": "delta", "since": since.astimezone(zone).isoformat()}
            package = read_package((await vendor.get(AT, params=asked)).content)
            assert [row["givenName"] for row in package.rows("users")] == ["Ida"]


async def test_what_a_delta_cannot_tell_is_refused(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor("v", schools=("s1",)) as vendor:
        since = (await vendor.get(AT)).headers["x-next-since"]
        asked = {"mode": "delta", "since": since}
        assert (await vendor.get(AT, params=asked)).status_code == 200
    publishing.clock.advance(60)
    async with publishing.vendor("v", schools=("s1", "s2")) as vendor:
        answer = await vendor.get(AT, params=asked)
        assert (answer.status_code, answer.json()["code"]) == (410, "view_changed")
    publishing.clock.advance(91 * 86_400)
    async with publishing.vendor("v", schools=("s1", "s2")) as vendor:
        answer = await vendor.get(AT, params=asked)
        assert (answer.status_code, answer.json()["code"]) == (410, "since_gone")


@pytest.mark.parametrize("since", ["2026-09-01T08:00:00", "9999-12-31T23:59:59-14:00"])
async def test_a_delta_begins_at_a_moment_there_is(publishing: Publishing, since: str) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor("v", schools=("s1",)) as vendor:
        answer = await vendor.get(AT, params={"mode": "delta", "since": since})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_since")
