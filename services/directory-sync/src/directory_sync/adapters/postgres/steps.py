"""What happened, kept for `GET /trace`: one row per commit, cause and kind. Raw driver.

Ids, counts and codes only; a single thing has its ids, many have a count.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import asyncpg
import orjson

from directory_sync.domain.fact import (
    AccountFact,
    AccountNamed,
    Drift,
    Fact,
    MembershipFact,
    PlanFact,
)

_ADD = """
    INSERT INTO directory_sync.step
        (district_id, correlation_id, at, what, ids, item_count, detail)
    SELECT r.district_id, r.correlation_id, clock_timestamp(), r.what, r.ids::jsonb, r.item_count,
           r.detail
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[])
        AS r(district_id, correlation_id, what, ids, item_count, detail)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What steps of one commit have in common."""

    district_id: str
    correlation_id: str
    what: str
    target_id: str
    detail: str | None


async def add_steps(driver: asyncpg.Connection, facts: Sequence[Fact]) -> None:
    """Keep what `facts` tell."""
    if not facts:
        return
    kinds: dict[_Kind, list[Mapping[str, str]]] = defaultdict(list)
    for fact in facts:
        for kind, ids in _kinds(fact):
            kinds[kind] += ids
    await driver.execute(
        _ADD,
        [kind.district_id for kind in kinds],
        [kind.correlation_id for kind in kinds],
        [kind.what for kind in kinds],
        [_ids(kind, ids) for kind, ids in kinds.items()],
        [len(ids) for ids in kinds.values()],
        [kind.detail for kind in kinds],
    )


def _ids(kind: _Kind, ids: Sequence[Mapping[str, str]]) -> str:
    """The ids that all have in common, and the target."""
    common = dict(set.intersection(*(set(one.items()) for one in ids))) if ids else {}
    return orjson.dumps({"target": kind.target_id, **common}).decode()


def _kinds(fact: Fact) -> Sequence[tuple[_Kind, Sequence[Mapping[str, str]]]]:
    match fact:
        case AccountFact():
            ids = {"person": fact.person_id} | _some("account", fact.account_id)
            return [(_kind(fact, f"account.{fact.step.value}", fact.error_code), [ids])]
        case AccountNamed():
            return [(_kind(fact, "account.named"), [{"person": fact.person_id}])]
        case MembershipFact():
            what = "membership.added" if fact.added else "membership.removed"
            ids = {"person": fact.person_id, "account": fact.account_id, "group": fact.group_id}
            return [(_kind(fact, what, fact.reason), [ids])]
        case Drift():
            ids = {"person": fact.person_id, "account": fact.account_id}
            return [(_kind(fact, "drift.detected", fact.field), [ids])]
        case PlanFact():
            plan = {"plan": fact.plan.plan_id}
            return [
                (_plan_kind(fact, correlation_id), [plan] * count)
                for correlation_id, count in fact.touched.items()
            ]
        case _:
            assert_never(fact)


def _kind(
    fact: AccountFact | AccountNamed | MembershipFact | Drift, what: str, detail: str | None = None
) -> _Kind:
    return _Kind(
        district_id=fact.district_id,
        correlation_id=fact.cause.correlation_id,
        what=what,
        target_id=fact.target_id,
        detail=detail,
    )


def _plan_kind(fact: PlanFact, correlation_id: str) -> _Kind:
    return _Kind(
        district_id=fact.plan.district_id,
        correlation_id=correlation_id,
        what=f"plan.{fact.step.value}",
        target_id=fact.plan.target_id,
        detail=fact.plan.kind,
    )


def _some(name: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {name: value}
