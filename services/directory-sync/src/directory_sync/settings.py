"""What this service is told from outside. Read once, by __main__ and bootstrap only."""

from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from directory_sync.targets import TARGETS
from roster_common.runtime.settings import ServiceSettings

SCHEMA = "directory_sync"
_DOMAIN = r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$"


class TargetSettings(BaseModel):
    """One directory. `id` is unique over the installation and binds one district.

    `roles`: OneRoster roles that give an account. `emailDomain`: where addresses are allocated for
    people without one; left out, they get none. `timeZone`: the district's IANA zone. `groups`:
    kinds of groups kept there, of `school` and `class`; left out, none. `firstConnection`: whether
    the first plan waits for a person. `readEveryS`: seconds between two readings of the whole.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid"
    )

    id: str = Field(min_length=1, max_length=100)
    district: str = Field(min_length=1, max_length=100)
    kind: str
    url: AnyHttpUrl
    token: SecretStr
    roles: frozenset[str] = Field(min_length=1)
    email_domain: str | None = Field(default=None, max_length=253, pattern=_DOMAIN)
    time_zone: str = "UTC"
    concurrency: int = Field(default=8, ge=1, le=100)
    groups: frozenset[Literal["school", "class"]] = frozenset()
    first_connection: Literal["preview", "apply"] = "preview"
    read_every_s: float = Field(default=86_400.0, ge=1)

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        if kind not in TARGETS:
            raise ValueError("no target room has this kind")
        return kind

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError("no IANA time zone has this name") from None
        return zone

    @model_validator(mode="after")
    def _has_groups(self) -> Self:
        if self.groups and TARGETS[self.kind].connect_groups is None:
            raise ValueError("this kind of target has no groups")
        return self


class Settings(ServiceSettings):
    """Environment, prefix HOMEROOM_. `HOMEROOM_TARGETS` is a JSON list of targets."""

    service: Literal["directory-sync"] = "directory-sync"
    port: int = 8103
    targets: tuple[TargetSettings, ...] = ()
    target_workers: int = Field(default=2, ge=1, le=16)
    target_batch: int = Field(default=200, ge=1, le=2_000)
    lease_s: float = Field(default=10.0, gt=0)

    @field_validator("targets")
    @classmethod
    def _distinct(cls, targets: tuple[TargetSettings, ...]) -> tuple[TargetSettings, ...]:
        if len({target.id for target in targets}) != len(targets):
            raise ValueError("two targets have the same id")
        return targets
