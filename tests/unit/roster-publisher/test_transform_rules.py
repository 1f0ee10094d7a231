"""What becomes of a field before it goes out, and which fields may be transformed how."""

from typing import Any

import pytest

from roster_common.errors import Fatal
from roster_publisher.domain.access import Grant, How
from roster_publisher.domain.fields import find_field
from roster_publisher.domain.filters import BadFilter, parse_filter
from roster_publisher.domain.sorting import parse_sort
from roster_publisher.domain.transforms import BadTransform, hashed, read_transforms, transform

KEY, OTHER_KEY = bytes(32), bytes(31) + b"1"
# HMAC-SHA256 worked out by `openssl dgst -mac HMAC`: the vendor's key from the installation's, then
# the value's hash from that.
AMY_S_MAIL = "cc66efa7bd84a349f14cf1a8d6b76656bb208f9ce661688381543788b122c8ad"


def grant(transforms: dict[str, How], *, client: str = "v", district: str = "d1") -> Grant:
    return Grant(
        district_id=district,
        client_id=client,
        token_scopes=frozenset(),
        transforms=read_transforms(transforms),
    )


def sent(
    body: dict[str, Any],
    transforms: dict[str, How],
    *,
    entity: str = "user",
    key: bytes | None = KEY,
    client: str = "v",
) -> Any:
    (found,) = transform([body], grant(transforms, client=client), entity, hash_key=key)
    return found


@pytest.mark.parametrize(
    ("entity", "body", "transforms", "rest"),
    [
        ("user", {"email": "a@b", "phone": "1"}, {"email": "drop"}, {"phone": "1"}),
        # Required: there and empty, as a withheld one.
        ("user", {"familyName": "Byron"}, {"familyName": "drop"}, {"familyName": ""}),
        ("org", {"identifier": "7"}, {"identifier": "drop"}, {"identifier": ""}),
        ("user", {"identifier": "7"}, {"identifier": "drop"}, {}),
        ("user", {"identifier": "7"}, {"org.identifier": "drop"}, {"identifier": "7"}),
        (
            "demographics",
            {"birthDate": "2012-03-04"},
            {"birthDate": "year"},
            {"birthDate": "2012-01-01"},
        ),
        ("demographics", {"birthDate": "2012-03-04"}, {"birthDate": "drop"}, {}),
        (
            "user",
            {"roles": [{"role": "student", "beginDate": "2025-09-01"}, {"role": "aide"}]},
            {"roles.beginDate": "year"},
            {"roles": [{"role": "student", "beginDate": "2025-01-01"}, {"role": "aide"}]},
        ),
        (
            "user",
            {"userIds": [{"type": "sis", "identifier": "900"}, {"type": "x", "identifier": "1"}]},
            {"userIds.identifier": "drop"},
            {"userIds": [{"type": "sis", "identifier": ""}, {"type": "x", "identifier": ""}]},
        ),
        ("user", {"userIds": [{"type": "sis", "identifier": "900"}]}, {"userIds": "drop"}, {}),
        (
            "user",
            {"metadata": {"bus": "7", "a": {"b": "x", "c": "y"}}},
            {"metadata.a.b": "drop", "metadata.bus": "drop"},
            {"metadata": {"a": {"c": "y"}}},
        ),
        # Names of files have dots in them; lists are opened however deep.
        (
            "user",
            {"metadata": {"a.b": "x", "a.b.c": 1, "a.bc": "y", "a": [[{"b": "z", "d": 1}]]}},
            {"metadata.a.b": "drop"},
            {"metadata": {"a.bc": "y", "a": [[{"d": 1}]]}},
        ),
        (
            "class",
            {"grades": ["05"], "title": "A"},
            {"user.grades": "drop"},
            {"grades": ["05"], "title": "A"},
        ),
        (
            "user",
            {"givenName": "", "email": "a@b"},
            {"givenName": "hash"},
            {"givenName": "", "email": "a@b"},
        ),
    ],
)
def test_a_transformed_body(
    entity: str, body: dict[str, Any], transforms: dict[str, How], rest: dict[str, Any]
) -> None:
    assert sent(body, transforms, entity=entity) == rest


def test_a_hash_is_of_one_vendor_one_field_and_one_key() -> None:
    def of(client: str, field: str, *, key: bytes = KEY, text: str = "amy@x.org") -> str:
        return str(sent({field: text}, {field: "hash"}, client=client, key=key)[field])

    first = of("v", "email")
    assert first == of("v", "email")
    others = {
        of("w", "email"),
        of("v", "username"),
        of("v", "email", key=OTHER_KEY),
        of("v", "email", text="amy@x.orh"),
        hashed("amy@x.org", "email", grant=grant({}, district="d2"), hash_key=KEY),
    }
    assert first == AMY_S_MAIL
    assert len(others - {first}) == 5


def test_what_is_hashed_of_lists_numbers_and_objects() -> None:
    metadata = {"n": 5, "t": "5", "o": {"b": 1, "a": 2}, "l": ["5", 5], "none": None}
    found = sent({"metadata": metadata}, {f"metadata.{name}": "hash" for name in metadata})

    told = found["metadata"]
    assert told["l"] == [told["l"][0]] * 2
    assert told["none"] is None
    assert all(len(told[name]) == 64 for name in ("n", "t", "o"))
    again = sent({"metadata": {"o": {"a": 2, "b": 1}}}, {"metadata.o": "hash"})
    assert again["metadata"]["o"] == told["o"]


def test_without_the_key_nothing_goes_out() -> None:
    with pytest.raises(Fatal, match="HOMEROOM_HASH_KEY"):
        sent({"email": "a@b"}, {"email": "hash"}, key=None)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("sourcedId", "hash"),
        ("status", "drop"),
        ("dateLastModified", "year"),
        ("user.sourcedId", "hash"),
        ("school.sourcedId", "drop"),
        ("agents", "drop"),
        ("roles", "drop"),
        ("roles.role", "hash"),
        ("roles.org.sourcedId", "hash"),
        ("enabledUser", "drop"),
        ("enrollment.role", "drop"),
        ("endDate", "drop"),
        ("org.type", "drop"),
        ("sex", "hash"),
        ("asian", "hash"),
        ("birthDate", "hash"),
        ("email", "year"),
        ("metadata", "hash"),
        ("metadata.entered", "year"),
        ("userIds", "hash"),
        ("userProfiles.profileId", "hash"),
        ("schoolYear", "hash"),
        ("shoeSize", "drop"),
        ("user.birthDate", "drop"),
        ("metadata.", "drop"),
        ("metadata.a..b", "drop"),
        ("", "drop"),
    ],
)
def test_what_may_not_be_transformed_like_that(name: str, how: How) -> None:
    with pytest.raises(BadTransform) as caught:
        read_transforms({name: how})

    assert str(caught.value).startswith(f"{name}: ")


@pytest.mark.parametrize(
    "names",
    [
        ("identifier", "user.identifier"),
        ("userProfiles", "userProfiles.credentials.username"),
        ("metadata", "user.metadata.bus"),
        ("metadata.a", "metadata.a.b"),
    ],
)
def test_one_field_is_transformed_once(names: tuple[str, str]) -> None:
    with pytest.raises(BadTransform, match="about one field"):
        read_transforms(dict.fromkeys(names, "drop"))


def test_fields_of_two_kinds_of_records_are_two() -> None:
    found = read_transforms({"user.identifier": "hash", "org.identifier": "drop"})

    assert [one.name for one in found] == ["org.identifier", "user.identifier"]


@pytest.mark.parametrize(
    ("transforms", "name", "entity", "known"),
    [
        ({"email": "hash"}, "email", "user", False),
        ({"email": "hash"}, "phone", "user", True),
        ({"birthDate": "year"}, "birthDate", "demographics", False),
        ({"userIds": "drop"}, "userIds.identifier", "user", False),
        ({"metadata.a": "hash"}, "metadata.a.b", "user", False),
        ({"metadata.a": "hash"}, "metadata.ab", "user", True),
        ({"metadata": "drop"}, "metadata.bus", "class", False),
        ({"user.metadata": "drop"}, "metadata.bus", "class", True),
        ({"class.title": "drop"}, "title", "course", True),
    ],
)
def test_a_transformed_field_is_unknown_to_who_asks(
    transforms: dict[str, How], name: str, entity: str, known: bool
) -> None:
    given = grant(transforms)

    assert (find_field(name, entity, given) is not None) is known
    if not known:
        assert parse_sort(name, None, entity, given) is None
        with pytest.raises(BadFilter, match="there is no such field"):
            parse_filter(f"{name}='a'", entity, given)
