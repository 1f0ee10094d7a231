"""What operators send about vendors, and what they are told. Every field is checked at the door."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Self, TypeAlias

from fastapi import Path
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from roster_common.contracts.values import Text
from roster_common.runtime.problems import FieldError, Problem
from roster_publisher.domain.access import Client, FieldGroup, Grant, How
from roster_publisher.domain.administration import (
    CLIENT_ID,
    Difference,
    Doubt,
    told_grant,
    version_of,
)
from roster_publisher.domain.collections import known_scopes
from roster_publisher.domain.pacing import LEAST_RATE, MOST_RATE, Pace
from roster_publisher.domain.rules import Rule
from roster_publisher.domain.transforms import BadTransform, read_transforms

_MOST_IDS: Final = 1_000
_MOST_RULES: Final = 100
_OVERLAP_H: Final = 24.0
_LONGEST_OVERLAP_H: Final = 24 * 90


def _in_utc(moment: datetime) -> datetime:
    """Raises the fault of a moment that is in no year from 1 to 9999 there."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("datetime_parsing", "no moment in UTC") from None


ClientId: TypeAlias = Annotated[Text, Path()]
Moment: TypeAlias = Annotated[AwareDatetime, AfterValidator(_in_utc)]
_Word: TypeAlias = Annotated[Text, Field(min_length=1, max_length=200)]
_Words: TypeAlias = Annotated[tuple[_Word, ...], Field(min_length=1, max_length=_MOST_IDS)]


class _Order(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        alias_generator=to_camel,
        populate_by_name=True,
    )


class RuleOrder(_Order):
    """A scope by rule: every condition given must hold."""

    schools: _Words | None = None
    grades: _Words | None = None
    courses: _Words | None = None
    subjects: _Words | None = None

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        if not any((self.schools, self.grades, self.courses, self.subjects)):
            raise PydanticCustomError("rule_empty", "a rule has a condition")
        return self

    def rule(self) -> Rule:
        """As the roster knows it."""
        return Rule(
            schools=self.schools,
            grades=self.grades,
            courses=self.courses,
            subjects=self.subjects,
        )


class VersionOrder(_Order):
    """With `ifVersion` nothing is done once the vendor is another one than at that version."""

    if_version: Text | None = None


class GrantOrder(VersionOrder):
    """What to change of a grant: what is not named stays as it is.

    `schools` null and no `rules` are the whole district; `fields` null are all field groups;
    `transform` says by field what is sent of it (`drop`, `hash` or `year`); `rate` and `burst` null
    are those of everybody.
    """

    scopes: Annotated[tuple[Text, ...], Field(min_length=1, max_length=20)] | None = None
    schools: _Words | None = None
    rules: Annotated[tuple[RuleOrder, ...], Field(max_length=_MOST_RULES)] = ()
    fields: frozenset[FieldGroup] | None = None
    transform: Annotated[dict[Text, How], Field(max_length=_MOST_RULES)] = Field(
        default_factory=dict
    )
    agreement: _Word | None = None
    purpose: _Word | None = None
    expires: Moment | None = None
    rate: Annotated[float, Field(ge=LEAST_RATE, le=MOST_RATE)] | None = None
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    @field_validator("transform")
    @classmethod
    def _may_be(cls, transform: dict[str, How]) -> dict[str, How]:
        try:
            read_transforms(transform)
        except BadTransform as error:
            raise PydanticCustomError("bad_transform", "a field is not like that") from error
        return transform

    @field_validator("scopes")
    @classmethod
    def _are_known(cls, scopes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if scopes is None or not all(one.strip() and known_scopes(one) for one in scopes):
            raise PydanticCustomError("unknown_scope", "a token scope is not one of ours")
        return scopes

    @model_validator(mode="after")
    def _has_a_whole_pace(self) -> Self:
        if (self.rate is None) != (self.burst is None):
            raise PydanticCustomError("pace_incomplete", "rate and burst come together")
        return self

    def over(self, grant: Grant, *, now: datetime) -> Grant:
        """The grant as ordered. Raises the 422 problem for an end that has passed."""
        given = self.model_fields_set
        if self.expires is not None and self.expires <= now:
            raise _fault("expires", "in_the_past")
        changes: dict[str, Any] = {}
        if "scopes" in given:
            changes["token_scopes"] = known_scopes(" ".join(self.scopes or ()))
        if "schools" in given:
            changes["school_ids"] = self.schools
        if "rules" in given:
            changes["rules"] = tuple(rule.rule() for rule in self.rules)
        if "fields" in given:
            changes["field_groups"] = self.fields
        if "transform" in given:
            changes["transforms"] = read_transforms(self.transform)
        changes |= {name: getattr(self, name) for name in ("agreement", "purpose") if name in given}
        if "expires" in given:
            changes["expires_at"] = self.expires
        if {"rate", "burst"} & given:
            changes["pace"] = self._pace()
        return replace(grant, **changes)

    def _pace(self) -> Pace | None:
        if self.rate is None or self.burst is None:
            return None
        return Pace(rate=self.rate, burst=self.burst)


class VendorOrder(GrantOrder):
    """A client to make: its id, and at least the token scopes it may ask for."""

    id: Text
    scopes: Annotated[tuple[Text, ...], Field(min_length=1, max_length=20)]

    @field_validator("id")
    @classmethod
    def _is_an_id(cls, given: str) -> str:
        if not CLIENT_ID.fullmatch(given):
            raise PydanticCustomError("bad_client_id", "letters, digits, dots, - and _")
        return given

    def grant(self, district_id: str, *, now: datetime) -> Grant:
        """The grant as ordered."""
        empty = Grant(district_id=district_id, client_id=self.id, token_scopes=frozenset())
        return self.over(empty, now=now)


class RotateOrder(VersionOrder):
    """`overlapHours` is how long the old secret still counts; 0 ends it, and its tokens, now."""

    overlap_hours: Annotated[float, Field(ge=0, le=_LONGEST_OVERLAP_H)] = _OVERLAP_H

    @property
    def overlap(self) -> timedelta:
        """As a duration."""
        return timedelta(hours=self.overlap_hours)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class VendorAnswer(_Answer):
    """A client and what it is granted. `origin` is where it stands: `settings` or `operators`;
    `state` is `active`, or `ended` once the agreement has; `oldSecretsUntil` are ends of secrets
    that were rotated away; `since` is when what it sees was last changed.
    """

    client: str
    district: str
    origin: str
    state: str
    created: datetime | None
    scopes: list[str]
    schools: list[str] | None
    rules: list[dict[str, list[str]]]
    fields: list[str] | None
    transform: dict[str, str]
    agreement: str | None
    purpose: str | None
    expires: datetime | None
    rate: float | None
    burst: int | None
    since: datetime | None
    old_secrets_until: list[datetime]
    last_pull: datetime | None = None
    version: str


class DifferenceAnswer(_Answer):
    """Active records of a collection."""

    before: int
    after: int
    gained: int
    lost: int


class DoubtAnswer(_Answer):
    """A field that is probably a mistake, and a code for why."""

    field: str
    code: str


def vendor_answer(client: Client, *, now: datetime, last: datetime | None = None) -> VendorAnswer:
    """A client as told; no secret and no hash of one."""
    grant = client.grant
    return VendorAnswer(
        client=client.client_id,
        district=grant.district_id,
        origin="settings" if client.configured else "operators",
        state="active" if grant.is_in_force(now) else "ended",
        created=client.created_at,
        since=grant.since_stamp,
        old_secrets_until=sorted(one.until for one in client.old_secrets if now < one.until),
        last_pull=last,
        version=version_of(client),
        **told_grant(grant),
    )


def difference_answers(
    differences: dict[str, Difference] | Any,
) -> dict[str, DifferenceAnswer]:
    """By collection."""
    return {
        path: DifferenceAnswer(before=one.before, after=one.after, gained=one.gained, lost=one.lost)
        for path, one in differences.items()
    }


def doubt_answers(doubts: Sequence[Doubt]) -> list[DoubtAnswer]:
    """As told."""
    return [DoubtAnswer(field=one.field, code=one.code) for one in doubts]


def _fault(field: str, code: str) -> Problem:
    return Problem(
        422,
        "invalid_request",
        "The request does not have the required form",
        errors=[FieldError(field=field, message=code, location="body")],
    )
