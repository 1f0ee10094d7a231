"""Signatures of OAuth 1.0a: those that oauthlib makes fit, and any other does not."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster_publisher.domain.oauth1 import BadSignature, SignedRequest, read_signed
from tests.support.oauth1 import HASHES, PLACES, SECRET, signed

AT = 1_800_000_000
ADDRESS = "https://Roster.Example:443/ims/oneroster/v1p1/users/a%2Fb"
EVERY = pytest.mark.parametrize(
    ("hashed_by", "place"), [(one, place) for one in HASHES for place in PLACES]
)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
NAME = TEXT.filter(lambda name: not name.startswith("oauth_") and name.lower() != "realm")
HEADER = (
    'OAuth realm="a, b", oauth_consumer_key="k", oauth_signature_method="HMAC-SHA1",'
    ' oauth_timestamp="1800000000", oauth_nonce="n", oauth_signature="c2ln"'
)


def received(request: object, *, address: str = ADDRESS) -> SignedRequest:
    """The request as it arrives."""
    url, headers = request.url, request.headers  # type: ignore[attr-defined]
    read = read_signed(
        "get",
        address,
        header=headers.get("authorization", ""),
        query=url.query.decode(),
    )
    assert read is not None
    return read


@EVERY
@given(
    params=st.lists(st.tuples(NAME, TEXT), max_size=5),
    secret=st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20),
)
def test_what_oauthlib_signs_fits_whatever_the_query(
    hashed_by: str, place: str, params: list[tuple[str, str]], secret: str
) -> None:
    request = signed(ADDRESS, params, at=AT, hashed_by=hashed_by, place=place, secret=secret)

    read = received(request)

    assert (read.key, read.timestamp) == ("reading-app.1", AT)
    assert read.is_signed_with(secret)
    assert not read.is_signed_with(f"{secret}.")


@EVERY
def test_anything_that_is_changed_does_not_fit(hashed_by: str, place: str) -> None:
    request = signed(
        ADDRESS,
        [("limit", "10"), ("limit", ""), ("filter", "givenName='Ada & Bea'")],
        at=AT,
        hashed_by=hashed_by,
        place=place,
        nonce="n1",
    )
    good = received(request)
    query, header = request.url.query.decode(), request.headers.get("authorization", "")
    changed = [
        read_signed(method, address, header=told, query=asked)
        for method, address, told, asked in (
            ("POST", ADDRESS, header, query),
            ("GET", ADDRESS.replace("users", "orgs"), header, query),
            ("GET", ADDRESS.replace("Example", "other"), header, query),
            ("GET", ADDRESS.replace(":443", ":8443"), header, query),
            ("GET", ADDRESS.replace("https", "http"), header, query),
            ("GET", ADDRESS.replace("%2F", "/"), header, query),
            ("GET", ADDRESS, header, query.replace("limit=10", "limit=11")),
            ("GET", ADDRESS, header, query.replace("limit=10", "limit=10&limit=10")),
            ("GET", ADDRESS, header, query.replace("limit=&", "")),
            ("GET", ADDRESS, header, f"{query}&offset=1"),
            ("GET", ADDRESS, header.replace("n1", "n2"), query.replace("n1", "n2")),
            (
                "GET",
                ADDRESS,
                header.replace(str(AT), str(AT + 1)),
                query.replace(str(AT), str(AT + 1)),
            ),
        )
    ]

    assert good.is_signed_with(SECRET)
    for one in changed:
        assert one is not None
        assert one != good
        assert not one.is_signed_with(SECRET)


def test_the_address_fits_in_any_spelling_that_means_the_same() -> None:
    request = signed(ADDRESS, at=AT)

    for spelled in (ADDRESS, ADDRESS.replace(":443", ""), ADDRESS.lower().replace("%2f", "%2F")):
        assert received(request, address=spelled).is_signed_with(SECRET)


def test_ipv6_hosts_and_bare_hosts_are_signed_as_oauthlib_signs_them() -> None:
    for address in ("http://[::1]:8102/ims/oneroster/v1p1/orgs", "http://roster.example"):
        assert received(signed(address, at=AT), address=address).is_signed_with(SECRET)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('oauth_nonce="n"', 'oauth_nonce=""', "oauth_nonce is missing"),
        ('oauth_consumer_key="k", ', "", "oauth_consumer_key is missing"),
        ("HMAC-SHA1", "PLAINTEXT", "oauth_signature_method"),
        ("1800000000", "18e8", "oauth_timestamp"),
        ("1800000000", "-5", "oauth_timestamp"),
        ('oauth_nonce="n"', 'oauth_nonce="n", oauth_nonce="m"', "more than once"),
        ('oauth_nonce="n"', 'oauth_nonce="n", oauth_version="2.0"', "oauth_version"),
        ('oauth_nonce="n"', 'oauth_nonce="n", oauth_token="t"', "oauth_token"),
        ('oauth_nonce="n"', f'oauth_nonce="{"n" * 257}"', "oauth_nonce"),
        ('oauth_nonce="n"', 'oauth_nonce="%FF"', "not UTF-8"),
        ('oauth_nonce="n"', 'oauth_nonce="n" x', 'OAuth name="value"'),
    ],
)
def test_what_cannot_be_read_is_told_in_words(old: str, new: str, told: str) -> None:
    with pytest.raises(BadSignature, match=told):
        read_signed("GET", ADDRESS, header=HEADER.replace(old, new, 1), query="")


def test_a_long_header_is_read_in_time_in_proportion() -> None:
    begun = perf_counter()
    blank = " " * 30_000
    for text in (f'a={blank}"', f'{blank.replace(" ", "a")}"', f'a="b"{blank}"'):
        with pytest.raises(BadSignature, match="OAuth name"):
            read_signed("GET", ADDRESS, header=f"OAuth {text}", query="")

    # Milliseconds; half a minute where it is the square.
    assert perf_counter() - begun < 10


@pytest.mark.parametrize("host", ["roster.example:99999", "roster.example:x", "[::1"])
def test_an_address_that_is_none_is_refused_in_words(host: str) -> None:
    with pytest.raises(BadSignature, match="no host that can be signed"):
        read_signed("GET", f"https://{host}/users", header=HEADER, query="")


def test_parameters_of_the_protocol_stand_in_one_place() -> None:
    with pytest.raises(BadSignature, match="not in both"):
        read_signed("GET", ADDRESS, header=HEADER, query="oauth_nonce=n")
    with pytest.raises(BadSignature, match="not UTF-8"):
        read_signed("GET", ADDRESS, header=HEADER, query="filter=%FF")


@pytest.mark.parametrize("header", ["", "Bearer abc", "Basic abc", "OAuthority x"])
def test_what_is_not_signed_is_not_read(header: str) -> None:
    assert read_signed("GET", ADDRESS, header=header, query="limit=1&oauthority=2") is None


@pytest.mark.parametrize(
    ("late", "timely"), [(0, True), (300, True), (-300, True), (300.001, False), (-301, False)]
)
def test_the_window_is_300_seconds_on_both_sides(late: float, timely: bool) -> None:
    read = read_signed("GET", ADDRESS, header=HEADER, query="")

    assert read is not None
    assert read.is_timely(datetime.fromtimestamp(AT, UTC) + timedelta(seconds=late)) is timely


@given(st.text(max_size=60))
def test_any_header_is_read_or_refused_in_words(text: str) -> None:
    with suppress(BadSignature):
        read_signed("GET", ADDRESS, header=f"OAuth {text}", query="")
