"""How many accounts may be disabled, and members removed, in a target without asking. Pure.

A held wish stays held until it vanishes or a person approves it. While a plan of a kind waits
nothing more of that kind passes, so that a drip cannot get through beside it; others go on.
Source: blueprint invariant 4, ADR 0012.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from directory_sync.domain.fact import Cause
from directory_sync.domain.ids import PersonId
from directory_sync.domain.plans import Item, ItemState
from roster_common.holds import Limit, trips

WINDOW: Final = timedelta(hours=24)
DISABLES: Final = Limit(count=25, share=0.05)
REMOVALS: Final = Limit(count=50, share=0.20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One action wanted for one person. `attributes` are names only; `reason` a stable code."""

    person_id: PersonId
    action: str
    reason: str
    attributes: tuple[str, ...]
    cause: Cause

    @property
    def item(self) -> Item:
        """What an approval covers."""
        return self.person_id, self.action


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one kind of wish has: done without asking in the last 24 hours, and what stood before.

    Persons and enabled accounts, or memberships. `asking`: a plan of the kind waits already.
    """

    spent: int
    population: int
    asking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`spend` may go and costs budget, `hold` enters a plan; others are as they were."""

    spend: Sequence[Wish] = ()
    hold: Sequence[Wish] = ()


def new_wishes(
    wishes: Sequence[Wish],
    *,
    stands: Mapping[Item, ItemState],
    passed: frozenset[Item],
) -> Sequence[Wish]:
    """Those to be judged: in no plan that decides about them, and not passed in 24 hours."""
    return [
        w
        for w in wishes
        if stands.get(w.item, ItemState.EXPIRED) is ItemState.EXPIRED
        and (w.item in stands or w.item not in passed)
    ]


def judge(
    wishes: Sequence[Wish],
    *,
    backlog: Sequence[Wish],
    stands: Mapping[Item, ItemState],
    budget: Budget,
    limit: Limit,
    ask: bool = False,
) -> Verdict:
    """Judge new wishes. `backlog` holds every other new wish that is marked: all go, or all wait.

    What expired in a plan never passes by itself: it is asked again. `ask`: they wait in any case.
    """
    everything = {w.item: w for w in (*backlog, *wishes)}
    asked_before = any(item in stands for item in everything)
    too_many = trips(
        limit, wanted=len(everything), spent=budget.spent, population=budget.population
    )
    if too_many or budget.asking or asked_before or ask:
        return Verdict(hold=list(everything.values()))
    return Verdict(spend=wishes)
