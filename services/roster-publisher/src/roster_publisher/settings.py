"""What this service is told from outside. Read by bootstrap and `__main__` only."""

from datetime import timedelta
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, model_validator

from roster_common.runtime.settings import ServiceSettings
from roster_publisher.domain.access import FieldGroup
from roster_publisher.domain.rules import Rule

_Values: TypeAlias = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class RuleSetting(BaseModel):
    """A scope by rule: every condition given must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    schools: _Values | None = None
    grades: _Values | None = None
    courses: _Values | None = None
    subjects: _Values | None = None

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        self.rule()
        return self

    def rule(self) -> Rule:
        """The rule; raises `ValueError` when there is no condition."""
        return Rule(
            schools=self.schools,
            grades=self.grades,
            courses=self.courses,
            subjects=self.subjects,
        )


class ClientSetting(BaseModel):
    """A vendor client: `scopes` are full URIs; it sees `schools` and `rules`, or with neither the
    whole district; `fields` None are all field groups; the grant ends at `expires`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str = Field(min_length=1)
    secret: SecretStr
    district: str = Field(min_length=1)
    scopes: tuple[str, ...]
    schools: tuple[str, ...] | None = None
    rules: tuple[RuleSetting, ...] = ()
    fields: frozenset[FieldGroup] | None = None
    agreement: str | None = Field(default=None, min_length=1)
    expires: AwareDatetime | None = None


class NameAuthoritySetting(BaseModel):
    """Who decides each name of a district; `targets` come first where several allocated one."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    username: Literal["sis", "directory"] = "sis"
    email: Literal["sis", "directory"] = "sis"
    targets: tuple[str, ...] = ()


class Settings(ServiceSettings):
    """Prefix HOMEROOM_; see the service's README for each."""

    service: str = "roster-publisher"
    port: int = Field(default=8102, ge=0, le=65_535)

    database_pool_size: int = Field(default=10, ge=3)
    clients: tuple[ClientSetting, ...] = ()
    settle_seconds: Annotated[float, Field(ge=0)] = 900.0
    time_zone: str = "UTC"
    time_zones: dict[str, str] = Field(default_factory=dict)
    name_authority: dict[str, NameAuthoritySetting] = Field(default_factory=dict)
    history_hours: Annotated[float, Field(ge=2)] = 24.0
    tombstone_days: Annotated[float, Field(ge=1)] = 90.0
    apply_batch: Annotated[int, Field(ge=1, le=5_000)] = 500

    @property
    def settle(self) -> timedelta:
        """How long a last role must be gone before its holder has left."""
        return timedelta(seconds=self.settle_seconds)

    @property
    def keep_history(self) -> timedelta:
        """How long overwritten rows stay readable; longer than any pull lives."""
        return timedelta(hours=self.history_hours)

    @property
    def keep_tombstones(self) -> timedelta:
        """How long a deletion stays visible: the published retention."""
        return timedelta(days=self.tombstone_days)
