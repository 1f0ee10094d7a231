"""Fields as a grant's agreement has them, at every door, for as long as it lasts (ADR 0028)."""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roster_publisher.domain.access import How
from roster_publisher.domain.transforms import read_transforms
from tests.support.feed_reader import FeedReader, full_pull, kinds
from tests.support.official_oneroster import check_collection, check_error, check_single
from tests.support.oneroster_records import (
    Record,
    class_,
    demographics,
    enrollment,
    org,
    role,
    school_world,
    user,
)
from tests.support.oneroster_v1p1 import check_v1p1
from tests.support.publishing import Publishing
from tests.support.pushing import pushing
from tests.support.webhook_receiver import start_receiver

OLD = "/ims/oneroster/v1p1"
SECRET = "whsec_" + "QUFB" * 8
PATHS = ("orgs", "academicSessions", "courses", "classes", "users", "demographics", "enrollments")
HEX = re.compile(r"[0-9a-f]{64}")
DISTRICTS = itertools.count(1)
AGREED: dict[str, How] = {
    "email": "hash",
    "familyName": "drop",
    "middleName": "drop",
    "userIds.identifier": "hash",
    "birthDate": "year",
    "cityOfBirth": "drop",
    "metadata.bus": "hash",
    "metadata.home.street": "drop",
    "class.title": "hash",
    "enrollment.beginDate": "year",
}


def world(d: str = "") -> list[tuple[str, Record]]:
    """A school with a class and Amy in it; words with `secret` are transformed by `AGREED`."""
    metadata = {"bus": "secret-bus", "home": {"street": "secret-street", "town": "T"}}
    amy = user(
        "amy",
        role(beginDate="2025-08-15"),
        familyName="secret-family",
        middleName="secret-middle",
        email="secret@x.test",
        username="amy7",
        userIds=[{"type": "sis", "identifier": "secret-900"}],
        metadata=metadata,
    )
    return [
        *school_world(),
        ("class", class_("k1", title="secret-title")),
        ("org", org("s2")),
        ("user", amy),
        ("enrollment", enrollment("e1", user="amy", beginDate="2025-08-15", metadata=metadata)),
        ("demographics", demographics("amy", birthDate="2012-03-04", cityOfBirth="secret-city")),
    ]


@pytest.mark.parametrize("schools", [None, ("s1",)])
async def test_a_vendor_gets_every_field_as_agreed(
    publishing: Publishing, schools: tuple[str, ...] | None
) -> None:
    await publishing.publish(*world())

    async with publishing.vendor(transforms=AGREED, schools=schools) as http:
        pages = {path: await http.get(f"/{path}") for path in PATHS}
        singles = {
            path: await http.get(f"/{path}/{row['sourcedId']}")
            for path, page in pages.items()
            for row in page.json()[path]
        }

    for answer in pages.values():
        check_collection(answer.json())
    for answer in singles.values():
        check_single(answer.json())
    assert "secret" not in "".join(answer.text for answer in (*pages.values(), *singles.values()))
    (amy,) = pages["users"].json()["users"]
    assert amy == singles["users"].json()["user"]
    assert (amy["givenName"], amy["familyName"], amy["username"]) == ("Ada", "", "amy7")
    assert "middleName" not in amy
    assert HEX.fullmatch(amy["email"])
    assert HEX.fullmatch(amy["userIds"][0]["identifier"])
    assert amy["roles"][0]["beginDate"] == "2025-08-15"
    assert amy["metadata"]["home"] == {"town": "T"}
    (e1,) = pages["enrollments"].json()["enrollments"]
    assert e1["beginDate"] == "2025-01-01"
    # The same field of another record is the same value.
    assert e1["metadata"] == amy["metadata"]
    (birth,) = pages["demographics"].json()["demographics"]
    assert birth["birthDate"] == "2012-01-01"
    assert "cityOfBirth" not in birth


async def test_one_vendor_sees_one_hash_at_every_door_and_another_vendor_another(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*world())
    hashes = {}
    receiver = start_receiver(tmp_path / "receiver", SECRET)
    try:
        for name in ("one", "two"):
            async with publishing.vendor(name, transforms=AGREED) as http:
                new = (await http.get("/users/amy")).json()["user"]
                old = (await http.get(f"{OLD}/users/amy")).json()["user"]
                fed = FeedReader(http)
                await fed.poll()
            async with pushing(publishing, receiver.url, SECRET, client=name) as vendor:
                await vendor.all()
            called = [one["data"] for one in receiver.changes() if one["type"] == "users.upserted"]
            assert [fed.rows["users"]["amy"], called[-1]] == [new, new]
            check_v1p1("users", old)
            assert (old["email"], old["userIds"]) == (new["email"], new["userIds"])
            hashes[name] = new["email"]
        assert "secret" not in str(receiver.calls())
    finally:
        receiver.kill()

    assert hashes["one"] != hashes["two"]


async def test_what_1_1_wants_is_there_where_it_is_dropped(publishing: Publishing) -> None:
    await publishing.publish(*world(), ("class", class_("k2", periods=["1", "2"])))
    async with publishing.vendor(transforms={"username": "drop", "periods": "hash"}) as http:
        amy = (await http.get(f"{OLD}/users/amy")).json()["user"]
        new = (await http.get("/classes/k2")).json()["class"]
        old = (await http.get(f"{OLD}/classes/k2")).json()["class"]

    check_v1p1("users", amy)
    assert amy["username"] == ""
    assert old["periods"] == ",".join(new["periods"])


async def test_a_transformed_field_cannot_be_asked_about(publishing: Publishing) -> None:
    await publishing.publish(*world(), ("user", user("ben", email="a@x.test")))

    async with publishing.vendor(transforms=AGREED) as http:
        for base, wrong in itertools.product(
            ("", OLD), ("email", "familyName", "metadata.bus", "userIds.identifier", "nothing")
        ):
            asked = await http.get(f"{base}/users", params={"filter": f"{wrong}='secret'"})
            assert asked.status_code == 400
            assert "invalid_filter_field" in asked.text
            ordered = await http.get(f"{base}/users", params={"sort": wrong, "orderBy": "desc"})
            assert [one["sourcedId"] for one in ordered.json()["users"]] == ["amy", "ben"]
        texts = {
            name: (await http.get("/users", params={"filter": f"{name}='x'"})).text.replace(
                name, ""
            )
            for name in ("email", "nothing")
        }
        fields = (await http.get("/users/amy?fields=sourcedId,familyName,middleName")).json()
        other = await http.get("/users?filter=metadata.home.town='T'")

    assert texts["email"] == texts["nothing"]
    assert fields["user"] == {"sourcedId": "amy", "familyName": ""}
    assert other.headers["x-total-count"] == "1"


async def test_a_tombstone_is_as_agreed_too(publishing: Publishing) -> None:
    await publishing.publish(*world())
    async with publishing.vendor(transforms=AGREED, schools=("s1",)) as http:
        reader = FeedReader(http)
        await reader.poll()
        await publishing.publish(("class", "k1"), ("user", user("amy", role("s2"))))
        told = await reader.poll()
        class_gone = (await http.get("/classes/k1")).json()["class"]

    assert ("users.deleted", "amy") in kinds(told)
    assert "secret" not in str(told)
    assert class_gone["status"] == "tobedeleted"
    assert HEX.fullmatch(class_gone["title"])


async def test_changed_transformations_are_told_whole(publishing: Publishing) -> None:
    await publishing.publish(*world())
    async with publishing.vendor() as http:
        reader = FeedReader(http)
        await reader.poll()
        before = (await http.get("/users/amy")).json()["user"]["dateLastModified"]

    async with publishing.vendor(transforms={"email": "hash"}) as http:
        reader.http = http
        told = await reader.poll()
        behind = await http.get("/users", params={"filter": f"dateLastModified>'{before}'"})
    assert told[0] == {"type": "grant.changed"}
    assert "secret@" not in str(told[1:])
    assert behind.headers["x-total-count"] == "1"

    # Nothing has changed, so nothing is told.
    async with publishing.vendor(transforms={"email": "hash"}) as http:
        reader.http = http
        assert await reader.poll() == []


@pytest.mark.parametrize("configured", [True, False])
async def test_another_key_is_another_view(publishing: Publishing, *, configured: bool) -> None:
    await publishing.publish(*world())
    async with publishing.vendor(transforms={"email": "hash"}) as http:
        reader = FeedReader(http)
        await reader.poll()
    first = reader.rows["users"]["amy"]["email"]
    if not configured:
        async with publishing.database.begin() as tx:
            await (await tx.driver()).execute(
                "UPDATE roster_publisher.client SET configured = false WHERE district_id = 'd1'"
            )
        publishing.clients.clear()

    publishing.hash_key = bytes(31) + b"1"
    publishing.reopen()
    await publishing.seed()
    await publishing.seed()
    async with publishing.http(headers=http.headers) as again:
        reader.http = again
        told = await reader.poll()

    assert [one["type"] for one in told].count("grant.changed") == 1
    assert reader.rows["users"]["amy"]["email"] != first
    revisions = await publishing.rows("SELECT revision FROM roster_publisher.district_revision")
    assert revisions == [{"revision": 2}]


async def test_a_key_that_is_missing_shows_nothing(publishing: Publishing) -> None:
    await publishing.publish(*world())
    async with publishing.vendor(transforms={"email": "hash"}) as http:
        pass
    publishing.hash_key = None
    async with publishing.http(headers=http.headers) as again:
        answer = await again.get("/users")

    assert answer.status_code == 500
    check_error(answer.json())
    assert "secret" not in answer.text


# Fields of the made-up records that may be transformed, with the entity's path.
CHOICES: Mapping[str, tuple[How, ...]] = {
    "givenName": ("drop", "hash"),
    "familyName": ("drop", "hash"),
    "middleName": ("drop", "hash"),
    "email": ("drop", "hash"),
    "phone": ("drop", "hash"),
    "username": ("drop", "hash"),
    "user.identifier": ("drop", "hash"),
    "userIds.identifier": ("drop", "hash"),
    "userProfiles": ("drop",),
    "userProfiles.credentials.username": ("drop", "hash"),
    "user.grades": ("drop", "hash"),
    "cityOfBirth": ("drop", "hash"),
    "birthDate": ("drop", "year"),
    "location": ("drop", "hash"),
    "class.title": ("drop", "hash"),
    "metadata.a": ("drop", "hash"),
    "metadata.b.c": ("drop", "hash"),
    "user.metadata.d": ("drop", "hash"),
    "enrollment.endDate": ("drop", "year"),
}
GROUPS = ("names", "contact", "identifiers", "birth", "ethnicity", "metadata")


@st.composite
def agreements(draw: st.DrawFn) -> dict[str, How]:
    names = draw(st.sets(st.sampled_from(sorted(CHOICES)), min_size=1, max_size=8))
    if "userProfiles" in names:
        names -= {"userProfiles.credentials.username"}
    return {name: draw(st.sampled_from(CHOICES[name])) for name in sorted(names)}


@dataclass
class MadeUp:
    """Records whose every value is its own word, and the words by the field that holds them."""

    district: str
    words: dict[str, list[str]] = field(default_factory=dict)
    counter: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def records(self) -> list[tuple[str, Record]]:
        """A school with a class, three people in it, and a school without anybody."""
        more = {name: self.word(name) for name in ("location", "class.title")}
        title = more.pop("class.title")
        who = ("u1", "u2", "u3")
        return [
            *school_world(),
            ("org", org("s2")),
            ("class", class_("k1", title=title, metadata=self.metadata("class"), **more)),
            *(("user", self.person(one)) for one in who),
            *(("demographics", self.birth(one)) for one in who[:2]),
            *(("enrollment", self.enrolled(one)) for one in who),
        ]

    def word(self, name: str) -> str:
        """A word that stands nowhere else."""
        told = f"w{self.district}x{next(self.counter)}q"
        self.words.setdefault(name, []).append(told)
        return told

    def day(self, name: str) -> str:
        """A day that stands nowhere else, and is never the first of a January."""
        n = next(self.counter)
        told = f"2{n + 100:03d}-07-1{n % 9}"
        self.words.setdefault(name, []).append(told)
        return told

    def metadata(self, entity: str) -> Record:
        """What sources send there: objects in objects, lists, names with dots."""
        return {
            "a": [self.word("metadata.a"), {"deep": self.word("metadata.a")}],
            "a.flat": self.word("metadata.a"),
            "b": {"c": self.word("metadata.b.c"), "plain": self.word("plain")},
            "b.c": self.word("metadata.b.c"),
            "d": self.word("user.metadata.d" if entity == "user" else "plain"),
        }

    def person(self, sourced_id: str) -> Record:
        """A student with all there is."""
        sign_in = {"type": "t", "username": self.word("userProfiles.credentials.username")}
        profile = {
            "profileId": "https://p.test/1",
            "profileType": self.word("userProfiles"),
            "vendorId": self.word("userProfiles"),
            "credentials": [sign_in],
        }
        plain = ("givenName", "familyName", "middleName", "email", "phone", "username")
        return user(
            sourced_id,
            **{name: self.word(name) for name in plain},
            identifier=self.word("user.identifier"),
            userIds=[{"type": "sis", "identifier": self.word("userIds.identifier")}],
            userProfiles=[profile],
            grades=[self.word("user.grades")],
            metadata=self.metadata("user"),
        )

    def birth(self, sourced_id: str) -> Record:
        """A birthday and where."""
        born = {"birthDate": self.day("birthDate"), "cityOfBirth": self.word("cityOfBirth")}
        return demographics(sourced_id, **born)

    def enrolled(self, sourced_id: str) -> Record:
        """In the class until a day."""
        return enrollment(f"e{sourced_id}", user=sourced_id, endDate=self.day("enrollment.endDate"))


@given(
    agreed=agreements(),
    schools=st.sampled_from([None, ("s1",)]),
    groups=st.none() | st.sets(st.sampled_from(GROUPS)).map(frozenset),
)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.timeout(300)
async def test_no_byte_of_any_answer_holds_what_is_not_agreed(
    publishing: Publishing,
    agreed: dict[str, How],
    schools: tuple[str, ...] | None,
    groups: frozenset[str] | None,
) -> None:
    number = next(DISTRICTS)
    district = f"d{number}"
    made = MadeUp(str(number))
    words = made.words
    await publishing.publish(*made.records(), district=district)
    vendor = {"schools": schools, "fields": groups, "transforms": agreed, "district": district}
    async with publishing.vendor(f"{district}-one", **vendor) as http:
        reader = FeedReader(http)
        said = [await _everything(http, reader)]
        # One leaves the school, one is deleted, one ends in the other: as tombstones, too.
        await publishing.publish(("user", user("u1", role("s2"))), district=district)
        await publishing.publish(("user", "u2"), district=district, merged_into="u3")
        said.append(await _everything(http, reader))
        asked = await _asked_about(http, agreed, words)
        rows = await full_pull(http)
    async with publishing.vendor(f"{district}-two", **vendor) as http:
        others = await full_pull(http)

    hidden = {word for name in agreed for word in words.get(name, ())}
    if "userProfiles" in agreed:
        hidden |= set(words["userProfiles.credentials.username"])
    for text in (*said, asked):
        assert [word for word in hidden if word in text] == []
    if groups is None:
        shown = {
            word for name, some in words.items() if not _is_agreed(name, agreed) for word in some
        }
        assert [word for word in shown if word not in said[0]] == []
    assert reader.rows == rows
    _have_no_hash_in_common(rows, others, hashes="hash" in agreed.values())


def _is_agreed(name: str, agreed: dict[str, How]) -> bool:
    return any(f"{name}.".startswith(f"{one}.") for one in agreed)


async def _everything(http: httpx2.AsyncClient, reader: FeedReader) -> str:
    """The bytes of every answer a vendor can get, valid as the specification has them."""
    said = []
    for base, path in itertools.product(("", OLD), PATHS):
        page = await http.get(f"{base}/{path}?limit=50")
        if not base:
            check_collection(page.json())
        for row in page.json()[path]:
            single = await http.get(f"{base}/{path}/{row['sourcedId']}")
            assert single.status_code == 200
            (alone,) = (value for name, value in single.json().items() if name != "statusInfoSet")
            assert alone == row
            said.append(f"{single.text}{single.headers}")
        said.append(f"{page.text}{page.headers}")
    below = ("schools/s1/students", "classes/k1/students", "schools/s1/classes", "changes")
    said += [(await http.get(f"/{path}")).text for path in below]
    said.append(str(await reader.poll()))
    return "".join(said)


async def _asked_about(
    http: httpx2.AsyncClient, agreed: dict[str, How], words: dict[str, list[str]]
) -> str:
    """Answers to who asks for a value that is hidden; none of them tells whether there is one."""
    said = []
    for name in agreed:
        path = (
            name.partition(".")[2]
            if name.partition(".")[0] in {"user", "class", "enrollment"}
            else name
        )
        for known in words.get(name, [])[:1]:
            for collection in ("users", "demographics", "classes", "enrollments"):
                asked = [
                    await http.get(f"/{collection}", params={"filter": f"{path}='{value}'"})
                    for value in (known, "nobody")
                ]
                assert asked[0].text == asked[1].text
                assert asked[0].status_code == asked[1].status_code
                said.append(asked[0].text)
    return "".join(said)


def _have_no_hash_in_common(rows: Any, others: Any, *, hashes: bool) -> None:
    mine, theirs = set(HEX.findall(str(rows))), set(HEX.findall(str(others)))
    assert mine.isdisjoint(theirs)
    assert hashes or not mine


def test_the_choices_are_those_that_are_allowed() -> None:
    for name, hows in CHOICES.items():
        assert [one.how for how in hows for one in read_transforms({name: how})] == list(hows)
