"""Which names vendors see and which states carry, decided without any I/O."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster_publisher.domain.names import (
    Allocated,
    NameAuthority,
    Owner,
    as_said,
    newest,
    with_names,
)
from roster_publisher.domain.publication import Cause
from tests.support.oneroster_records import user

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)


def told(target: str, *, at: int = 0, username: str | None = None, email: str | None = None):
    return Allocated(
        person_id="u1",
        target=target,
        username=username,
        email=email,
        time=NOW + timedelta(seconds=at),
        cause=Cause(event_id=f"{target}-{at}", correlation_id="c", origin="webhook"),
    )


@pytest.mark.parametrize(
    ("owner", "said", "allocated", "shown"),
    [
        ("sis", "sis.ada", "ad.ada", "sis.ada"),
        ("sis", None, "ad.ada", "ad.ada"),
        ("sis", "", "ad.ada", "ad.ada"),
        ("sis", "sis.ada", None, "sis.ada"),
        ("directory", "sis.ada", "ad.ada", "ad.ada"),
        ("directory", "sis.ada", None, None),
        ("directory", None, None, None),
    ],
)
def test_the_authority_decides_which_name_shows(
    owner: Owner, said: str | None, allocated: str | None, shown: str | None
) -> None:
    record = user("u1", **({} if said is None else {"username": said, "email": said}))
    held = {"ad": told("ad", username=allocated, email=allocated)}

    found = with_names(record, held, NameAuthority(username=owner, email=owner))

    assert (found["username"], found["email"]) == (shown, shown)


def test_each_field_has_its_own_authority() -> None:
    record = user("u1", username="sis.ada", email="ada@sis.example")
    held = {"ad": told("ad", username="ad.ada", email="ada@ad.example")}

    found = with_names(record, held, NameAuthority(email="directory"))

    assert (found["username"], found["email"]) == ("sis.ada", "ada@ad.example")


def test_configured_targets_come_first_and_the_others_by_name() -> None:
    held = {name: told(name, username=name) for name in ("zoo", "ad", "scim")}

    by_order = with_names(user("u1"), held, NameAuthority(targets=("scim", "zoo")))
    by_name = with_names(user("u1"), held, NameAuthority())

    assert (by_order["username"], by_name["username"]) == ("scim", "ad")


def test_a_target_that_gave_only_one_name_leaves_the_other_to_the_next() -> None:
    held = {"ad": told("ad", username="ad.ada"), "scim": told("scim", email="ada@scim.example")}

    found = with_names(user("u1"), held, NameAuthority(targets=("ad", "scim")))

    assert (found["username"], found["email"]) == ("ad.ada", "ada@scim.example")


def test_states_never_hold_a_name_that_the_directory_decides() -> None:
    record = user("u1", username="sis.ada", email="ada@sis.example")

    assert as_said(record, NameAuthority()) == record
    assert "username" not in as_said(record, NameAuthority(username="directory"))
    assert as_said(record, NameAuthority(username="directory"))["email"] == "ada@sis.example"


EVENTS = st.lists(
    st.builds(
        told,
        st.sampled_from(["ad", "scim"]),
        at=st.integers(0, 5),
        username=st.sampled_from(["a", "b", None]),
    ),
    max_size=8,
    unique_by=lambda one: one.cause.event_id,
)


@given(events=EVENTS, data=st.data())
def test_any_order_with_repeats_and_cuts_keeps_the_same_names(
    events: list[Allocated], data: st.DataObject
) -> None:
    once = newest({}, sorted(events, key=lambda one: one.time))

    shuffled = data.draw(st.permutations([*events, *events[:3]]))
    cut = data.draw(st.integers(0, len(shuffled)))
    first = newest({}, shuffled[:cut])
    parts = first | newest(first, shuffled[cut:])

    assert parts == once
    assert newest(once, shuffled) == {}
