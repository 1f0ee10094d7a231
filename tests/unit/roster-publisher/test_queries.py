"""Filters, paging, links and token scopes, read without any I/O."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster_publisher.domain.access import Grant
from roster_publisher.domain.collections import (
    DEMOGRAPHICS,
    KNOWN_SCOPES,
    ROSTER,
    ROSTER_CORE,
    V1P1_SCOPES,
    known_scopes,
)
from roster_publisher.domain.fields import find_field
from roster_publisher.domain.filters import BadFilter, Filter
from roster_publisher.domain.filters import parse_filter as parse_for
from roster_publisher.domain.fragments import FIELDS
from roster_publisher.domain.queries import BadPaging, link_header, paging
from roster_publisher.domain.sorting import BadOrder, parse_sort

GRANT = Grant(district_id="d1", client_id="v", token_scopes=frozenset())


def parse_filter(text: str, entity: str) -> Filter:
    """As a vendor that may see every field."""
    return parse_for(text, entity, GRANT)


def test_a_doubled_quote_is_one_quote() -> None:
    (clause,) = parse_filter("sourcedId='o''hara'", "user").clauses

    assert (clause.column, clause.predicate, clause.value) == ("sourced_id", "=", "o'hara")


def test_role_is_another_name_of_roles_role() -> None:
    (alias,) = parse_filter("role='student'", "user").clauses
    (name,) = parse_filter("roles.role='student'", "user").clauses

    assert (alias.field.path, alias.column) == (name.field.path, name.column)
    assert parse_filter("role='student'", "enrollment").clauses[0].column == "kind"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T10:00:00Z", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-11-01T10:00:00.123456789Z", datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        (
            "2026-11-01T10:00:00.5-05:00",
            datetime(2026, 11, 1, 10, 0, 0, 500000, tzinfo=timezone(-timedelta(hours=5))),
        ),
        ("20261101T100000Z", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-11-01t10:00:00,25z", datetime(2026, 11, 1, 10, 0, 0, 250000, tzinfo=UTC)),
        ("2026-11-01 10:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-W44-7", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-305", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026305T100000Z", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2024-366T10:00-05:00", datetime(2024, 12, 31, 15, tzinfo=UTC)),
        ("2026-10-31T24:00:00.000Z", datetime(2026, 11, 1, tzinfo=UTC)),
        ("20261031T2400+0100", datetime(2026, 10, 31, 23, tzinfo=UTC)),
        # A plus sign that was not escaped.
        ("2026-11-01T10:00:00 01:00", datetime(2026, 11, 1, 9, tzinfo=UTC)),
        ("2026-11-01T10:00:00+0100", datetime(2026, 11, 1, 9, tzinfo=UTC)),
    ],
)
def test_dates_are_read_in_every_form_in_use(text: str, moment: datetime) -> None:
    (clause,) = parse_filter(f"dateLastModified>='{text}'", "org").clauses

    assert clause.value == moment


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01",
        "20261101",
        "2026-305",
        "2026-10-31T24:00",
        "2026-11-01T23:59:59.999-05:00",
        "2026-11-01T00:00+14:00",
    ],
)
def test_a_day_is_the_day_that_is_written(text: str) -> None:
    (clause,) = parse_filter(f"beginDate>='{text}'", "enrollment").clauses

    assert clause.value == "2026-11-01"


@pytest.mark.parametrize(
    "text",
    [
        *("yesterday", "2026-02-30", "", "2026-13-01", "1"),
        *("2026-366", "2026-000", "0000-001", "9999-366", "2026-11-01T24:01", "9999-12-31T24:00"),
    ],
)
@pytest.mark.parametrize("field", ["dateLastModified", "roles.beginDate"])
def test_a_date_is_compared_with_dates_only(field: str, text: str) -> None:
    with pytest.raises(BadFilter, match="no date"):
        parse_filter(f"{field}='{text}'", "user")
    assert parse_filter(f"{field}~'{text}'", "user").clauses[0].value == text


def test_clauses_of_one_kind_may_be_many() -> None:
    parsed = parse_filter(" OR ".join(f"sourcedId='u{n}'" for n in range(20)), "user")

    assert parsed.any_of
    assert [clause.value for clause in parsed.clauses] == [f"u{n}" for n in range(20)]
    with pytest.raises(BadFilter, match="at most 20"):
        parse_filter(" OR ".join(["sourcedId='u'"] * 21), "user")


@pytest.mark.parametrize(
    "text",
    [
        "status='active' AND sourcedId='a' OR sourcedId='b'",
        "status='active' and sourcedId='a'",
        "status='active'  AND sourcedId='a'",
        "status='active' AND",
        "(status='active')",
        "status=active",
        'status="active"',
        "status='a'b'",
        "status=='a'",
        "='a'",
        "'a'='a'",
        "metadata='x'",
        "metadata.='x'",
        "metadata..x='x'",
        "org='x'",
        "primaryOrg='x'",
        "primaryOrg.name='x'",
        "primaryOrg.href='x'",
        "roles='x'",
        "roles.org='x'",
        "grades.x='x'",
        "familyName.x='x'",
        "password='x'",
        "Status='active'",
        "metadata." + "x" * 300 + "='1'",
    ],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(BadFilter):
        parse_filter(text, "user")


def test_a_bent_quote_is_wrong_around_a_value_and_right_inside_one() -> None:
    (clause,) = parse_filter("familyName='O\u2019Neil'", "user").clauses
    assert clause.value == "O\u2019Neil"

    for text in ("familyName=\u2018Neil\u2019", "familyName='N' AND givenName=\u201cA\u201d"):
        with pytest.raises(BadFilter, match="curly quote"):
            parse_filter(text, "user")


def test_a_long_text_costs_its_length() -> None:
    for text in ("A" + " " * 60_000, "A" * 60_000, "A b" * 20_000, "a='" + "''" * 30_000):
        with pytest.raises(BadFilter):
            parse_filter(text, "user")


@pytest.mark.parametrize("entity", sorted(FIELDS))
def test_every_field_of_the_core_description_can_be_asked_about(entity: str) -> None:
    inside = {"roles": "roles.role", "userIds": "userIds.type", "metadata": "metadata.x"}
    objects = {"parent", "children", "org", "course", "school", "terms", "primaryOrg", "agents"}
    objects |= {"user", "class", "resources"} | ({"schoolYear"} if entity == "course" else set())

    for name in FIELDS[entity]:
        told = f"{name}.sourcedId" if name in objects else inside.get(name, name)
        told = "userProfiles.credentials.username" if name == "userProfiles" else told
        field = find_field(told, entity, GRANT)
        assert field is not None, told
        assert field.path[0] == name


def test_an_order_is_by_any_field_and_the_default_one_is_none() -> None:
    by_name = parse_sort("familyName", "DESC", "user", GRANT)

    assert by_name is not None
    assert (by_name.field.path, by_name.descending) == (("familyName",), True)
    for sort, order_by in (
        ("sourcedId", None),
        ("shoeSize", "desc"),
        (None, "desc"),
        ("familyName,givenName", None),
        ("roles", None),
    ):
        assert parse_sort(sort, order_by, "user", GRANT) is None
    with pytest.raises(BadOrder):
        parse_sort(None, "up", "user", GRANT)


def test_two_clauses_are_joined_by_and_or_by_or() -> None:
    both = parse_filter("status='active' AND sourcedId='a OR b'", "org")
    either = parse_filter("status='active' OR sourcedId='a AND b'", "org")

    assert (both.any_of, either.any_of) == (False, True)
    assert [clause.value for clause in both.clauses] == ["active", "a OR b"]


@given(text=st.text(max_size=60))
def test_any_text_is_either_a_filter_or_refused(text: str) -> None:
    try:
        parsed = parse_filter(text, "user")
    except BadFilter:
        return
    assert 1 <= len(parsed.clauses) <= 20


@given(
    value=st.text(max_size=40).filter(lambda t: not set(t) & set("\x00\u2018\u2019\u201c\u201d"))
)
def test_any_value_survives_quoting(value: str) -> None:
    quoted = value.replace("'", "''")

    (clause,) = parse_filter(f"sourcedId='{quoted}'", "user").clauses

    assert clause.value == value


def test_paging_has_the_defaults_of_the_specification() -> None:
    assert paging(None, None) == (100, 0)
    assert paging("50000", "7") == (50_000, 7)


@pytest.mark.parametrize(
    ("limit", "offset"),
    [
        ("0", None),
        ("50001", None),
        ("1e3", None),
        ("000000000001000000", None),
        (None, "-1"),
        (None, "x"),
        (None, "0" * 5_000),
        (None, "9" * 30),
    ],
)
def test_paging_is_refused_and_never_clamped(limit: str | None, offset: str | None) -> None:
    with pytest.raises(BadPaging):
        paging(limit, offset)


@given(total=st.integers(0, 500), limit=st.integers(1, 60), offset=st.integers(0, 600))
def test_links_lead_through_every_row(total: int, limit: int, offset: int) -> None:
    header = link_header("http://h/users", {}, limit=limit, offset=offset, total=total)
    links = {
        part.partition('rel="')[2].rstrip('"'): int(part.partition("offset=")[2].partition(">")[0])
        for part in header.split(", ")
    }

    assert links["first"] == 0
    assert ("next" in links) == (offset + limit < total)
    assert ("prev" in links) == (offset > 0)
    if "next" in links:
        assert links["next"] == offset + limit
        assert links["last"] < total <= links["last"] + limit


def test_links_keep_what_else_was_asked_as_it_was_asked() -> None:
    asked = {"limit": ["5"], "filter": ["familyName='Ö & b'"], "fields": ["a", "b,c"]}

    header = link_header("http://h/users", asked, limit=5, offset=0, total=3)

    kept = "filter=familyName%3D%27%C3%96+%26+b%27&fields=a&fields=b%2Cc"
    assert header == (
        f'<http://h/users?{kept}&limit=5&offset=0>; rel="first", '
        f'<http://h/users?{kept}&limit=5&offset=0>; rel="last"'
    )


def test_known_scopes_are_granted_and_unknown_ones_passed_over() -> None:
    plain = ROSTER.replace("https://", "http://")

    assert known_scopes(f"{plain} {DEMOGRAPHICS} other") == {ROSTER, DEMOGRAPHICS}
    assert known_scopes(None) == KNOWN_SCOPES == {ROSTER, ROSTER_CORE, DEMOGRAPHICS, *V1P1_SCOPES}
    assert known_scopes("other") == frozenset()
