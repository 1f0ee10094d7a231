"""What this service is told from outside. Read once, by __main__ and bootstrap only."""

from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from roster_common.runtime.settings import ServiceSettings
from ticket_events.desks import KINDS
from ticket_events.domain.ticket import OUR_DESK

SCHEMA = "ticket_events"


class DeskSettings(BaseModel):
    """One help desk. `id` is unique over the installation and binds one district.

    One or two `secrets` are valid at once, so that one can be changed; `timezone` is the
    district's IANA zone and places business hours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")
    district: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")
    kind: str = "generic"
    secrets: tuple[SecretStr, ...] = Field(min_length=1, max_length=2)
    timezone: str = "UTC"

    @field_validator("id")
    @classmethod
    def _not_ours(cls, desk_id: str) -> str:
        if desk_id == OUR_DESK:
            raise ValueError("this desk is our own")
        return desk_id

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError("no desk room has this kind")
        return kind

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("there is no such time zone") from None
        return name

    @model_validator(mode="after")
    def _usable(self) -> Self:
        reader = KINDS[self.kind].reader
        given = [secret.get_secret_value() for secret in self.secrets]
        if any(len(secret) < 8 or not reader.is_secret(secret) for secret in given):
            raise ValueError("a desk's secret is not of the form that its kind needs")
        return self


class Settings(ServiceSettings):
    """Environment, prefix HOMEROOM_. `HOMEROOM_DESKS` is a JSON list of desks."""

    service: Literal["ticket-events"] = "ticket-events"
    port: int = 8104
    desks: tuple[DeskSettings, ...] = ()
    webhook_limit_bytes: int = Field(default=1024 * 1024, ge=1)
    inventory_limit_bytes: int = Field(default=20 * 1024 * 1024, ge=1)

    @field_validator("desks")
    @classmethod
    def _distinct(cls, desks: tuple[DeskSettings, ...]) -> tuple[DeskSettings, ...]:
        if len({desk.id for desk in desks}) != len(desks):
            raise ValueError("two desks have the same id")
        return desks
