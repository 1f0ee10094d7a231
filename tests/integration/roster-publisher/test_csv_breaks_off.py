"""What cannot be told to its end is no package, and writers do not disturb one."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.domain.access import Client, Grant
from roster_publisher.domain.collections import KNOWN_SCOPES
from roster_publisher.usecases.export_package import Package, PackageBroken, PackageRequest
from tests.support.csv_package import read_package
from tests.support.oneroster_records import enrollment, org, school_world, user
from tests.support.publishing import Publishing

AT = "/exports/oneroster.zip"
DAY_S = 86_400
WORLD = [
    *school_world(users=4),
    ("org", org("s2")),
    *(("enrollment", enrollment(f"e{n}", user=f"u00{n}")) for n in range(4)),
]


async def begun(
    publishing: Publishing, **grant: object
) -> tuple[list[bytes], AsyncIterator[bytes], Client]:
    """A package of which the first piece has been sent, and whose it is."""
    given = Grant(district_id="d1", client_id="v", token_scopes=KNOWN_SCOPES, **grant)  # type: ignore[arg-type]  # as the caller says
    client = Client(client_id="v", secret_hash="none", grant=given)
    await PostgresVendors(publishing.database).seed(client, now=publishing.clock.now())
    made = await publishing.export(
        PackageRequest(grant=given, token_scopes=KNOWN_SCOPES, version="1.2")
    )
    assert isinstance(made, Package)
    chunks = aiter(made.chunks)
    return [await anext(chunks)], chunks, client


async def _history_goes(publishing: Publishing, _client: Client) -> None:
    publishing.clock.advance(60)
    await publishing.publish(("user", user("u000", givenName="Ida")))
    publishing.clock.advance(2 * DAY_S)
    await publishing.purge()


async def _the_agreement_ends(publishing: Publishing, _client: Client) -> None:
    publishing.clock.advance(2 * DAY_S)


async def _the_client_ends(publishing: Publishing, _client: Client) -> None:
    await PostgresVendors(publishing.database).end_others([])


async def _the_grant_narrows(publishing: Publishing, client: Client) -> None:
    given = Grant(district_id="d1", client_id="v", token_scopes=KNOWN_SCOPES, school_ids=("s2",))
    narrow = Client(client_id="v", secret_hash=client.secret_hash, grant=given)
    await PostgresVendors(publishing.database).seed(narrow, now=publishing.clock.now())


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (_history_goes, "history_gone"),
        (_the_agreement_ends, "agreement_ended"),
        (_the_client_ends, "client_ended"),
        (_the_grant_narrows, "view_changed"),
    ],
)
async def test_what_ends_meanwhile_breaks_the_package_off(
    publishing: Publishing,
    what: Callable[[Publishing, Client], Awaitable[None]],
    reason: str,
) -> None:
    await publishing.publish(*WORLD)
    expires = None
    if reason == "agreement_ended":
        expires = publishing.clock.now().replace(year=publishing.clock.now().year + 1)
    sent, chunks, client = await begun(publishing, expires_at=expires)
    if expires is not None:
        publishing.clock.advance((expires - publishing.clock.now()).total_seconds())
    await what(publishing, client)
    with pytest.raises(PackageBroken) as broken:
        sent += [chunk async for chunk in chunks]
    assert broken.value.reason == reason
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(sent)))


async def test_what_is_published_meanwhile_is_in_the_next_package(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    sent, chunks, _ = await begun(publishing)
    await publishing.publish(
        ("user", user("u000", givenName="Ida")), ("user", "u001"), ("user", user("new"))
    )
    sent += [chunk async for chunk in chunks]
    package = read_package(b"".join(sent))
    assert {key: row["givenName"] for key, row in package.files["users"].items()} == {
        f"u00{n}": "Ada" for n in range(4)
    }
    assert set(package.files["enrollments"]) == {f"e{n}" for n in range(4)}


async def test_nobody_who_stops_reading_leaves_anything_open(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    _, chunks, _ = await begun(publishing)
    await chunks.aclose()
    async with publishing.vendor() as vendor:
        read_package((await vendor.get(AT)).content)


async def test_a_package_is_of_one_revision_while_others_write(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    going = True

    async def write() -> None:
        turn = 0
        while going:
            turn += 1
            name, one = f"Name {turn}", turn % 4
            facts = [
                ("user", user(f"u00{one}", givenName=name)),
                ("enrollment", f"e{one}" if turn % 3 else enrollment(f"e{one}", user=f"u00{one}")),
                ("user", user(f"n{turn}")),
            ]
            await publishing.publish(*facts)  # type: ignore[arg-type]  # as a list
            await asyncio.sleep(0)

    async def read(client_id: str, schools: tuple[str, ...] | None) -> None:
        async with publishing.vendor(client_id, schools=schools) as vendor:
            for _ in range(3):
                answer = await vendor.get(AT)
                package = read_package(answer.content)
                pinned = {"x-roster-revision": answer.headers["x-roster-revision"]}
                for name in ("users", "enrollments", "classes"):
                    asked = {"filter": "status='active'", "limit": "5000"}
                    pulled = await vendor.get(f"/{name}", params=asked, headers=pinned)
                    assert pulled.headers["x-roster-revision"] == pinned["x-roster-revision"]
                    told = {one["sourcedId"]: one for one in pulled.json()[name]}
                    assert set(package.files[name]) == set(told)
                    if name == "users":
                        names = {key: row["givenName"] for key, row in package.files[name].items()}
                        assert names == {key: one["givenName"] for key, one in told.items()}

    writer = asyncio.create_task(write())
    try:
        await asyncio.gather(read("all", None), read("some", ("s1",)))
    finally:
        going = False
        await writer
