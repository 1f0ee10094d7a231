"""What a grant opens: field groups, and the time its agreement lasts."""

import base64
from datetime import timedelta

import pytest

from roster_publisher.settings import Settings
from roster_publisher.usecases.tokens import TokenRefused
from tests.support.official_oneroster import check_collection, check_error, check_single
from tests.support.oneroster_records import demographics, enrollment, school_world, user
from tests.support.publishing import Publishing

AMY = user(
    "amy",
    givenName="Amy",
    familyName="Byron",
    email="amy@example.org",
    username="amy7",
    userIds=[{"type": "sis", "identifier": "900"}],
    metadata={"bus": "7"},
)
BIRTH = demographics("amy", asian=True)
WORLD = [
    *school_world(),
    ("user", AMY),
    ("enrollment", enrollment("e1", user="amy", metadata={"x": "1"})),
    ("demographics", BIRTH),
]
HEAD = {"sourcedId", "status", "dateLastModified"}
REQUIRED = HEAD | {"enabledUser", "givenName", "familyName", "roles"}


@pytest.mark.parametrize(
    ("groups", "more"),
    [
        ([], set()),
        (["names"], set()),
        (["contact"], {"email"}),
        (["identifiers"], {"username", "userIds"}),
        (["metadata"], {"metadata"}),
        (None, {"email", "username", "userIds", "metadata"}),
    ],
)
@pytest.mark.parametrize("schools", [None, ("s1",)])
async def test_a_grant_gets_the_field_groups_of_its_policy(
    publishing: Publishing,
    groups: list[str] | None,
    more: set[str],
    schools: tuple[str, ...] | None,
) -> None:
    await publishing.publish(*WORLD)
    fields = None if groups is None else frozenset(groups)

    async with publishing.vendor(fields=fields, schools=schools) as http:
        page = (await http.get("/users")).json()
        single = (await http.get("/users/amy")).json()

    check_collection(page)
    check_single(single)
    assert page["users"] == [single["user"]]
    assert single["user"].keys() == REQUIRED | more
    # Names are required by the specification: withheld, they are there and empty.
    named = groups is None or "names" in groups
    assert single["user"]["givenName"] == ("Amy" if named else "")


async def test_birth_and_ethnicity_are_groups_of_their_own(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    seen = {}
    for group in ("birth", "ethnicity", "names"):
        async with publishing.vendor(f"v-{group}", fields=frozenset({group})) as http:
            body = (await http.get("/demographics/amy")).json()
        check_single(body)
        seen[group] = body["demographics"].keys() - HEAD

    assert seen == {"birth": {"birthDate"}, "ethnicity": {"asian"}, "names": set()}


async def test_a_field_that_is_withheld_cannot_be_selected(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)

    async with publishing.vendor(fields=frozenset()) as http:
        answer = await http.get("/users?fields=sourcedId,givenName,email")

    assert answer.json()["users"] == [{"sourcedId": "amy", "givenName": ""}]


async def test_an_agreement_that_has_ended_delivers_nothing(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    ends = publishing.clock.now() + timedelta(seconds=60)

    async with publishing.vendor(expires_at=ends) as http:
        before = await http.get("/users")
        publishing.clock.advance(60)
        after = [await http.get(path) for path in ("/users", "/users/amy", "/nothing")]

    assert before.status_code == 200
    for answer in after:
        assert answer.status_code == 403
        check_error(answer.json())
        assert answer.json()["imsx_description"] == "the agreement behind this grant has ended"


async def test_an_agreement_that_has_ended_gives_no_token(publishing: Publishing) -> None:
    ends = publishing.clock.now() + timedelta(seconds=60)
    async with publishing.vendor(expires_at=ends):
        pass
    publishing.clock.advance(60)

    with pytest.raises(AssertionError, match="unauthorized_client"):
        async with publishing.vendor(expires_at=ends):
            pass


async def test_a_grant_that_changes_opens_a_new_pull(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=4))
    async with publishing.vendor() as http:
        await http.get("/users?limit=2")
    await publishing.publish(("user", user("u9")))

    async with publishing.vendor(schools=("s1",)) as http:
        second = await http.get("/users?limit=2&offset=2")

    # The change of the grant took a revision of its own.
    assert second.headers["x-roster-revision"] == "3"
    assert second.headers["x-total-count"] == "5"


def test_clients_of_the_settings_may_name_fields_agreement_and_end() -> None:
    client = {
        "id": "v",
        "secret": "s",
        "district": "d1",
        "scopes": [],
        "fields": ["names"],
        "agreement": "2026-17",
        "expires": "2027-06-30T00:00:00Z",
    }
    known = Settings.model_validate({"database_url": "postgresql://h/d", "clients": [client]})
    assert known.clients[0].fields == {"names"}

    for wrong in ({"fields": ["shoeSize"]}, {"expires": "2027-06-30T00:00:00"}):
        with pytest.raises(ValueError, match="clients"):
            Settings.model_validate(
                {"database_url": "postgresql://h/d", "clients": [client | wrong]}
            )


def test_transformations_of_the_settings_are_checked_by_client_and_field() -> None:
    client = {"id": "v", "secret": "s", "district": "d1", "scopes": [], "purpose": "reading"}
    key = base64.b64encode(bytes(32)).decode()

    def read(transform: dict[str, str], hash_key: str | None = key) -> Settings:
        given = {"database_url": "postgresql://h/d", "hash_key": hash_key}
        return Settings.model_validate(given | {"clients": [client | {"transform": transform}]})

    known = read({"email": "hash", "birthDate": "year", "metadata.bus": "drop"})
    told = [(one.name, one.how) for one in known.clients[0].transforms()]
    assert told == [("birthDate", "year"), ("email", "hash"), ("metadata.bus", "drop")]
    assert known.plain_hash_key == bytes(32)
    assert key not in str(known.redacted())

    with pytest.raises(ValueError, match=r"client v cannot transform sourcedId: of org it is"):
        read({"sourcedId": "hash"})
    with pytest.raises(ValueError, match="clients"):
        read({"email": "rot13"})
    with pytest.raises(ValueError, match="HOMEROOM_HASH_KEY is missing, which client v needs"):
        read({"email": "hash"}, None)
    with pytest.raises(ValueError, match="a hash key is base64 of 32 bytes"):
        read({}, "c2hvcnQ=")
    assert read({"email": "drop"}, None).plain_hash_key is None


async def test_a_vendor_that_is_configured_no_longer_ends_with_its_tokens(
    publishing: Publishing,
) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor("gone") as gone, publishing.vendor("stays") as stays:
        assert (await gone.get("/users")).status_code == 200
        del publishing.clients["gone"]
        ended = await publishing.seed()

        async with publishing.http(headers=gone.headers) as again:
            refused = await again.get("/users")
        assert (await stays.get("/users")).status_code == 200

    assert list(ended) == ["gone"]
    assert refused.status_code == 401
    assert await publishing.issue("gone") == TokenRefused(error="invalid_client")
    assert list(await publishing.seed()) == []


async def test_a_vendor_may_move_to_another_district(publishing: Publishing) -> None:
    async with publishing.vendor("mover", district="d1"):
        pass
    async with publishing.vendor("mover", district="d2") as moved:
        assert (await moved.get("/users")).json() == {"users": []}


async def test_a_client_that_settings_never_gave_is_left_alone(publishing: Publishing) -> None:
    async with publishing.vendor("by-hand") as http:
        async with publishing.database.begin() as tx:
            await (await tx.driver()).execute(
                "UPDATE roster_publisher.client SET configured = false WHERE district_id = 'd1'"
            )
        publishing.clients.clear()

        assert list(await publishing.seed()) == []
        assert (await http.get("/users")).status_code == 200
