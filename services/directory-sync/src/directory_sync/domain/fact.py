"""What this service tells others, in its own words; adapters/events.py maps it to contracts. Pure.

No fact carries an attribute's value except the two names that the directory gives back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.plans import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What an effect goes back to: the delivery, the event that told us, how it entered."""

    correlation_id: str
    causation_id: str | None
    origin: str


class AccountStep(StrEnum):
    """What happened to an account."""

    CREATED = "created"
    UPDATED = "updated"
    DISABLED = "disabled"
    ENABLED = "enabled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFact:
    """One step in the life of one account. `attempt` counts from 1."""

    step: AccountStep
    district_id: DistrictId
    target_id: TargetId
    person_id: PersonId
    account_id: str | None
    attributes_changed: tuple[str, ...]
    attempt: int
    error_code: str | None
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountNamed:
    """The directory gave a person names that the roster did not hold."""

    district_id: DistrictId
    target_id: TargetId
    person_id: PersonId
    username: str
    email: str | None
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipFact:
    """A person's account came into a group, or went out of it. `reason`: class or org."""

    added: bool
    district_id: DistrictId
    target_id: TargetId
    person_id: PersonId
    account_id: str
    group_id: str
    reason: str
    cause: Cause


class PlanStep(StrEnum):
    """What happened to a plan."""

    HELD = "held"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFact:
    """A plan came to wait or grew, or how that ended. `by` are subjects of operators' tokens.

    `touched` counts the items of each correlation id.
    """

    step: PlanStep
    plan: Plan
    by: tuple[str, ...]
    touched: Mapping[str, int]
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Somebody changed `field` of an account in the target; values are hashes only."""

    district_id: DistrictId
    target_id: TargetId
    person_id: PersonId
    account_id: str
    field: str
    expected_hash: str | None
    actual_hash: str | None
    cause: Cause


Fact: TypeAlias = AccountFact | AccountNamed | MembershipFact | PlanFact | Drift
