"""Who joined, moved and left, decided without any I/O."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster_publisher.domain.lifecycle import Standing, advance, schools_of
from roster_publisher.domain.people import RoleHeld

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
SETTLE = timedelta(minutes=15)


def held(org_id: str, *, kind: str = "student", org_type: str = "school", primary: bool = True):
    return RoleHeld(
        role=kind,
        role_type="primary" if primary else "secondary",
        org_id=org_id,
        org_name=org_id,
        org_type=org_type,
        begin=None,
        end=None,
    )


def test_a_first_role_is_a_joining() -> None:
    standing, step = advance(Standing(), [held("s1")], now=NOW, settle=SETTLE)

    assert standing.phase == "active"
    assert step is not None
    assert (step.kind, step.role, step.to_org_ids) == ("joined", "student", ("s1",))


def test_nobody_without_a_role_has_ever_joined() -> None:
    assert advance(Standing(), [], now=NOW, settle=SETTLE) == (Standing(), None)


@pytest.mark.parametrize("phase", ["none", "active", "settling", "left"])
def test_an_id_that_ended_in_a_merge_leaves_at_once_and_says_who_it_is_now(phase) -> None:
    due = NOW + SETTLE if phase == "settling" else None
    before = Standing(phase=phase, role="student", org_ids=("s1",), left_due_at=due)

    standing, step = advance(before, [], now=NOW, settle=SETTLE, merged_into="kept")

    assert (standing.phase, standing.left_due_at) == ("left", None)
    assert step is not None
    assert (step.kind, step.role, step.merged_into) == ("left", "student", "kept")


def test_another_school_inside_the_settle_time_is_a_move() -> None:
    standing, _ = advance(Standing(), [held("s1")], now=NOW, settle=SETTLE)
    standing, nothing = advance(standing, [], now=NOW, settle=SETTLE)

    standing, step = advance(standing, [held("s2")], now=NOW + timedelta(minutes=14), settle=SETTLE)

    assert nothing is None
    assert step is not None
    assert (step.kind, step.from_org_ids, step.to_org_ids) == ("moved", ("s1",), ("s2",))


def test_back_at_the_same_school_is_nothing() -> None:
    standing, _ = advance(Standing(), [held("s1")], now=NOW, settle=SETTLE)
    standing, _ = advance(standing, [], now=NOW, settle=SETTLE)

    standing, step = advance(standing, [held("s1")], now=NOW, settle=SETTLE)

    assert (standing.phase, standing.left_due_at, step) == ("active", None, None)


def test_the_settle_time_counts_from_the_last_role_and_not_from_the_last_look() -> None:
    standing, _ = advance(Standing(), [held("s1")], now=NOW, settle=SETTLE)
    standing, _ = advance(standing, [], now=NOW, settle=SETTLE)
    standing, early = advance(standing, [], now=NOW + timedelta(minutes=10), settle=SETTLE)

    standing, step = advance(standing, [], now=NOW + SETTLE, settle=SETTLE)

    assert early is None
    assert standing.phase == "left"
    assert step is not None
    assert (step.kind, step.from_org_ids) == ("left", ("s1",))


def test_who_left_joins_again() -> None:
    _, step = advance(Standing(phase="left"), [held("s2")], now=NOW, settle=SETTLE)

    assert step is not None
    assert step.kind == "joined"


def test_schools_count_before_other_orgs() -> None:
    roles = [held("d", org_type="district"), held("s2"), held("s1", primary=False)]

    assert schools_of(roles) == ("s1", "s2")
    assert schools_of(roles[:1]) == ("d",)


@given(
    turns=st.lists(
        st.tuples(st.integers(0, 20), st.sets(st.sampled_from(["s1", "s2"]))), max_size=20
    )
)
def test_joins_and_leaves_alternate_and_moves_happen_only_between(
    turns: list[tuple[int, set[str]]],
) -> None:
    standing, now, inside = Standing(), NOW, False
    for minutes, schools in turns:
        now += timedelta(minutes=minutes)
        roles = [held(one) for one in sorted(schools)]
        standing, step = advance(standing, roles, now=now, settle=SETTLE)
        again, repeated = advance(standing, roles, now=now, settle=SETTLE)
        assert (again, repeated) == (standing, None)
        if step is not None:
            assert inside is (step.kind != "joined")
            inside = step.kind != "left"
