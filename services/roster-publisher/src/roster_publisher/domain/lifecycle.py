"""Who joined, moved and left. Pure.

joined = a first role in force; moved = the set of schools with a role in force is another one;
left = the last role in force has been gone for the settle time. Leaving one school for another
inside the settle time is a move, never a leaver. An id that ended in a merge leaves at once, also
one that had left before, and says who it is now. Source: blueprint, "who owns what"; ADR 0014.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from roster_publisher.domain.people import RoleHeld

Phase: TypeAlias = Literal["none", "active", "settling", "left"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What we last concluded about a person; `role` and `org_ids` are those last in force."""

    phase: Phase = "none"
    role: str | None = None
    org_ids: tuple[str, ...] = ()
    left_due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One lifecycle fact; orgs are sorted ids. `merged_into` is who the person left is now."""

    kind: Literal["joined", "moved", "left"]
    role: str
    from_org_ids: tuple[str, ...]
    to_org_ids: tuple[str, ...]
    merged_into: str | None = None


def advance(
    before: Standing,
    roles: Sequence[RoleHeld],
    *,
    now: datetime,
    settle: timedelta,
    merged_into: str | None = None,
) -> tuple[Standing, Step | None]:
    """The new standing and what it means, given the roles in force now. Runs twice harmlessly."""
    if roles:
        return _with_roles(before, roles)
    if merged_into is not None:
        return _left(before, merged_into)
    if before.phase in {"none", "left"}:
        return before, None
    due = before.left_due_at if before.phase == "settling" else now + settle
    if due is None or due > now:
        return replace(before, phase="settling", left_due_at=due), None
    return _left(before, None)


def _left(before: Standing, merged_into: str | None) -> tuple[Standing, Step]:
    return Standing(phase="left", role=before.role), Step(
        kind="left",
        role=before.role or "student",
        from_org_ids=before.org_ids,
        to_org_ids=(),
        merged_into=merged_into,
    )


def _with_roles(before: Standing, roles: Sequence[RoleHeld]) -> tuple[Standing, Step | None]:
    role = _primary_role(roles)
    org_ids = schools_of(roles)
    after = Standing(phase="active", role=role, org_ids=org_ids)
    if before.phase in {"none", "left"}:
        return after, Step(kind="joined", role=role, from_org_ids=(), to_org_ids=org_ids)
    if before.org_ids != org_ids:
        return after, Step(kind="moved", role=role, from_org_ids=before.org_ids, to_org_ids=org_ids)
    return after, None


def schools_of(roles: Sequence[RoleHeld]) -> tuple[str, ...]:
    """Schools with a role; for somebody without any, the orgs they do have."""
    schools = {role.org_id for role in roles if role.org_type == "school"}
    return tuple(sorted(schools or {role.org_id for role in roles}))


def _primary_role(roles: Sequence[RoleHeld]) -> str:
    return next((r.role for r in roles if r.role_type == "primary"), roles[0].role)
