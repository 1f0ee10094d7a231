"""What a plan holds, and what its hash covers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.plans import Plan, group_of, holding, open_plan, removal

NOW = datetime(2026, 9, 1, tzinfo=UTC)
ADA, BEN = (PersonId("ada"), "disable"), (PersonId("ben"), "disable")


@pytest.fixture
def plan() -> Plan:
    return open_plan(
        district_id=DistrictId("north"),
        target_id=TargetId("directory"),
        plan_id="plan",
        kind="guard",
        correlation_id="why",
        now=NOW,
    )


def test_a_plan_counts_what_it_holds_and_needs_two_people_above_a_quarter(plan):
    few = holding(plan, [ADA], population=4, now=NOW)
    many = holding(plan, [ADA, BEN], population=4, now=NOW)

    assert few.counts == {"create": 0, "update": 0, "disable": 1, "enable": 0, "link": 0}
    assert (few.count, few.percent, few.decision.approvals_needed) == (1, 25.0, 1)
    assert (many.count, many.percent, many.decision.approvals_needed) == (2, 50.0, 2)


def test_removals_are_counted_without_their_groups_and_need_two_people_above_a_quarter(plan):
    items = [(PersonId("ada"), removal("k12:class:c1")), (PersonId("ada"), removal("k12:class:c2"))]

    held = holding(plan, items, population=7, now=NOW)

    assert (held.counts["remove_member"], held.count, held.counts["disable"]) == (2, 2, 0)
    assert held.decision.approvals_needed == 2
    assert [group_of(action) for _, action in items] == ["k12:class:c1", "k12:class:c2"]


def test_growth_changes_the_hash_and_voids_approvals(plan):
    one = holding(plan, [ADA], population=100, now=NOW)
    one = replace(one, decision=replace(one.decision, approvals=("ann",)))

    two = holding(one, [ADA, BEN], population=100, now=NOW + timedelta(seconds=1))

    assert two.decision.items_hash != one.decision.items_hash
    assert two.decision.approvals == ()
    assert two.decision.expires_at == one.decision.expires_at == NOW + timedelta(hours=24)


def test_more_than_everybody_is_a_hundred_percent(plan):
    assert holding(plan, [ADA, BEN], population=0, now=NOW).percent == 100.0
