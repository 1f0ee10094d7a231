"""Above the budget no disable passes, whatever the path; below it, none waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_sync.domain.fact import Cause
from directory_sync.domain.guard import DISABLES, REMOVALS, Budget, Wish, judge, new_wishes
from directory_sync.domain.ids import PersonId
from directory_sync.domain.plans import DISABLE, ItemState

CAUSE = Cause(correlation_id="why", causation_id=None, origin="webhook")
PEOPLE = st.integers(0, 60)


def wish(number: int, action: str = DISABLE) -> Wish:
    return Wish(
        person_id=PersonId(f"p{number}"),
        action=action,
        reason="not_on_roster",
        attributes=(),
        cause=CAUSE,
    )


@given(
    wanted=st.sets(PEOPLE, min_size=1),
    backlog=st.sets(PEOPLE),
    expired=st.sets(PEOPLE, max_size=2),
    spent=st.integers(0, 60),
    population=st.integers(0, 1_200),
    asking=st.booleans(),
)
def test_all_go_or_all_wait_and_never_more_than_the_budget(
    wanted, backlog, expired, spent, population, asking
):
    stands = {wish(n).item: ItemState.EXPIRED for n in expired}
    budget = Budget(spent=spent, population=population, asking=asking)

    verdict = judge(
        [wish(n) for n in wanted],
        backlog=[wish(n) for n in backlog],
        stands=stands,
        budget=budget,
        limit=DISABLES,
    )

    everybody = {f"p{n}" for n in wanted | backlog}
    going, waiting = ({w.person_id for w in part} for part in (verdict.spend, verdict.hold))
    allowed = max(25, population // 20)
    if asking or spent + len(everybody) > allowed or expired & (wanted | backlog):
        assert (going, waiting) == (set(), everybody)
    else:
        assert (going, waiting) == ({f"p{n}" for n in wanted}, set())


@given(rounds=st.lists(st.integers(1, 30), max_size=8), population=st.integers(0, 1_200))
def test_a_drip_passes_no_more_than_one_batch_would(rounds, population):
    spent, waits, number = 0, False, 0
    for size in rounds:
        wishes = [wish(number + i) for i in range(size)]
        number += size
        budget = Budget(spent=spent, population=population, asking=waits)
        verdict = judge(wishes, backlog=(), stands={}, budget=budget, limit=DISABLES)
        spent += len(verdict.spend)
        waits = waits or bool(verdict.hold)

    assert spent <= DISABLES.allowance(population)


@pytest.mark.parametrize(
    ("budget", "wanted", "may"),
    [
        (Budget(spent=0, population=100, asking=False), 50, True),
        (Budget(spent=0, population=100, asking=False), 51, False),
        (Budget(spent=50, population=100, asking=False), 1, False),
        (Budget(spent=0, population=100, asking=True), 1, False),
        (Budget(spent=0, population=1_000, asking=False), 200, True),
        (Budget(spent=100, population=1_000, asking=False), 101, False),
    ],
)
def test_fifty_or_a_fifth_of_the_memberships_may_go_in_a_day(budget, wanted, may):
    wishes = [wish(n, "remove_member:k12:class:c1") for n in range(wanted)]

    verdict = judge(wishes, backlog=(), stands={}, budget=budget, limit=REMOVALS)

    assert (len(verdict.spend), len(verdict.hold)) == ((wanted, 0) if may else (0, wanted))


def test_only_wishes_that_nothing_decides_about_are_judged():
    wishes = [wish(1), wish(2), wish(3), wish(4), wish(5), wish(6)]
    stands = {
        wish(1).item: ItemState.WAITING,
        wish(2).item: ItemState.RELEASED,
        wish(3).item: ItemState.REFUSED,
        wish(4).item: ItemState.EXPIRED,
        wish(6, action="remove_member:k12:class:c1").item: ItemState.WAITING,
    }

    new = new_wishes(wishes, stands=stands, passed=frozenset({wish(5).item}))

    assert [w.person_id for w in new] == ["p4", "p6"]
