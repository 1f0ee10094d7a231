"""Filters, paging, links and token scopes, read without any I/O."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster_publisher.domain.collections import (
    DEMOGRAPHICS,
    KNOWN_SCOPES,
    ROSTER,
    ROSTER_CORE,
    known_scopes,
)
from roster_publisher.domain.filters import BadFilter, Clause, parse_filter
from roster_publisher.domain.queries import BadPaging, link_header, paging


def test_a_doubled_quote_is_one_quote() -> None:
    (clause,) = parse_filter("sourcedId='o''hara'", "user").clauses

    assert clause == Clause(column="sourced_id", kind="text", predicate="=", value="o'hara")


def test_role_is_another_name_of_roles_role() -> None:
    assert parse_filter("role='student'", "user") == parse_filter("roles.role='student'", "user")


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
    ],
)
def test_dates_are_read_in_every_form_in_use(text: str, moment: datetime) -> None:
    (clause,) = parse_filter(f"dateLastModified>='{text}'", "org").clauses

    assert clause.value == moment


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
    assert 1 <= len(parsed.clauses) <= 2


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


def test_known_scopes_are_granted_and_unknown_ones_passed_over() -> None:
    plain = ROSTER.replace("https://", "http://")

    assert known_scopes(f"{plain} {DEMOGRAPHICS} other") == {ROSTER, DEMOGRAPHICS}
    assert known_scopes(None) == KNOWN_SCOPES == {ROSTER, ROSTER_CORE, DEMOGRAPHICS}
    assert known_scopes("other") == frozenset()
