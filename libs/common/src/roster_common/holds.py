"""Guards and holds: how much may go at once, and how a person releases what was stopped. Pure.

One rule for records (sis-ingest) and for accounts (directory-sync); each keeps its own holds in
its own schema. Source: blueprint invariant 4, ADR 0008, ADR 0012.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

HoldState: TypeAlias = Literal["open", "approved", "rejected", "expired"]

APPROVAL_TIME: Final = timedelta(hours=24)
SECOND_APPROVER_ABOVE: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What may go without asking: `count` of them, or `share` (0 to 1) of all if that is more."""

    count: int
    share: float

    def allowance(self, population: int) -> int:
        """How many of `population` may go; never negative."""
        return max(self.count, int(self.share * max(population, 0)))


def trips(limit: Limit, *, wanted: int, spent: int, population: int) -> bool:
    """Whether `wanted` more, after `spent` in the last 24 hours, are too many.

    `population` counts what stood before anything was spent.
    """
    return wanted > 0 and spent + wanted > limit.allowance(population)


def hash_items(items: Iterable[tuple[str, str]]) -> str:
    """Names exactly these (id, action) pairs, whatever their order: what an approval covers."""
    digest = hashlib.sha256()
    for item in sorted(set(items)):
        for part in item:
            encoded = part.encode()
            digest.update(len(encoded).to_bytes(4, "big"))
            digest.update(encoded)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where a hold stands. `approvals` are subjects of operators' tokens, each once."""

    state: HoldState
    items_hash: str
    expires_at: datetime
    approvals: tuple[str, ...] = ()
    approvals_needed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why a decision does not count; `code` is stable."""

    code: Literal["hash_differs", "ended", "same_approver"]


def approvals_needed(*, held: int, population: int) -> int:
    """Two people above a quarter of all, else one."""
    return 2 if held > SECOND_APPROVER_ABOVE * max(population, 0) else 1


def approve(
    decision: Decision, *, subject: str, items_hash: str, now: datetime
) -> Decision | Refused:
    """The decision with this approval; `approved` once enough different people have given theirs.

    The hash says what the approver saw: another one means that the hold changed since.
    """
    if decision.state != "open" or now >= decision.expires_at:
        return Refused(code="ended")
    if items_hash != decision.items_hash:
        return Refused(code="hash_differs")
    if subject in decision.approvals:
        return Refused(code="same_approver")
    approvals = (*decision.approvals, subject)
    enough = len(approvals) >= decision.approvals_needed
    return replace(decision, approvals=approvals, state="approved" if enough else "open")


def reject(decision: Decision, *, now: datetime) -> Decision | Refused:
    """The decision, refused for good: what was held is not done."""
    if decision.state != "open" or now >= decision.expires_at:
        return Refused(code="ended")
    return replace(decision, state="rejected")


def expire(decision: Decision, *, now: datetime) -> Decision:
    """The decision as time leaves it: an open one past its time is expired."""
    if decision.state == "open" and now >= decision.expires_at:
        return replace(decision, state="expired")
    return decision
