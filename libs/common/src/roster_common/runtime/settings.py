"""What every service is told from outside, read once at start by its bootstrap.

The only module of a service's runtime that reads the environment; each service has its own
`settings.py` with a subclass. No message from here carries a value, because values are secrets.
"""

import os
import re
from collections.abc import Mapping
from json import JSONDecodeError
from typing import Literal, Self, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import (
    AnyUrl,
    BaseModel,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from roster_common.errors import Fatal
from roster_common.runtime.database_url import DatabaseUrl

PREFIX = "HOMEROOM_"
MASK = "***"

# What the demo uses (docs: README, "demo only"); webhook secrets are listed as their text as well.
DEMO_SECRETS = frozenset(
    {
        "whsec_ZGVtby13ZWJob29rLXNlY3JldA==",
        "demo-webhook-secret",
        "whsec_ZGVtby1kZXNrLXNlY3JldA==",
        "demo-desk-secret",
        "demo-secret",
        "one-secret",
        "agreed-secret",
        "demo-powerschool-secret",
        "demo-key-secret",
        "ZGVtby1ib2R5LWtleS1ub3QtZm9yLXByb2R1Y3Rpb24=",
        "demo-body-key-not-for-production",
        "ZGVtby1oYXNoLWtleS1ub3QtZm9yLXByb2R1Y3Rpb24=",
        "demo-hash-key-not-for-production",
    }
)
_DEMO_SECRET = re.compile(
    "|".join(
        rf"(?<![A-Za-z0-9_-]){re.escape(secret.rstrip('='))}(?![A-Za-z0-9_-])"
        for secret in sorted(DEMO_SECRETS)
    )
)
_SECRET_NAME = re.compile(r"secret|token|password|passwd|credential|key", re.IGNORECASE)
# Kinds of pydantic errors whose message speaks of the rule only, never of what was given.
_SAFE_MESSAGES = frozenset(
    {
        *("missing", "extra_forbidden", "value_error", "literal_error", "string_pattern_mismatch"),
        *("greater_than", "greater_than_equal", "less_than", "less_than_equal"),
        *("too_short", "too_long", "string_too_short", "string_too_long"),
    }
)
# A part of a path that can only be the name of a setting; keys of free maps may be anything.
_SETTING_NAME = re.compile(r"[A-Za-z][A-Za-z_.]{0,40}")
# How pydantic-settings names the field whose JSON it could not read.
_UNREAD_FIELD = re.compile(r'field "(\w+)"')


class ServiceSettings(BaseSettings):
    """Settings all services share; a subclass gives `service` and `port` their defaults."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    environment: Literal["demo", "test", "development", "production"] = "development"
    service: str
    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65_535)
    public_url: str | None = None
    # Networks of proxies whose word is taken for where a request came from.
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()

    database_url: DatabaseUrl
    database_embedded: bool = False
    database_pool_size: int = Field(default=10, ge=1)
    statement_timeout_s: float = Field(default=30.0, gt=0)
    lock_timeout_s: float = Field(default=4.0, gt=0)
    kafka_bootstrap: str | None = None
    kafka_topic_prefix: str = ""
    # How long a group member without a broker may be silent before others take its partitions.
    log_lease_s: float = Field(default=10.0, ge=1)

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    otlp_endpoint: str | None = None
    trace_sample_ratio: float = Field(default=1.0, ge=0, le=1)

    operator_public_key: str | None = None

    drain_timeout_s: float = Field(default=10.0, ge=0)
    cancel_timeout_s: float = Field(default=5.0, ge=0)
    dead_letter_limit: int = Field(default=100, ge=1)
    dead_letter_window_s: float = Field(default=600.0, gt=0)

    @property
    def schema_name(self) -> str:
        """The schema whose tables are this process's own."""
        return self.service.replace("-", "_")

    failpoint: str | None = None
    failpoint_file: str | None = None

    @field_validator("trusted_proxies")
    @classmethod
    def _are_not_everybody(cls, proxies: tuple[IPvAnyNetwork, ...]) -> tuple[IPvAnyNetwork, ...]:
        if any(one.prefixlen == 0 for one in proxies):
            raise ValueError("a network that holds every address names no proxy")
        return proxies

    @model_validator(mode="after")
    def _refuse_what_production_must_not_have(self) -> Self:
        if self.environment == "production":
            faults = _production_faults(self)
            if faults:
                raise ValueError("; ".join(faults))
        return self

    @property
    def base_url(self) -> str:
        """Where others reach this service: `public_url`, else its own address; no final slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    def redacted(self) -> dict[str, object]:
        """Give all settings as plain values fit for printing: no secret and no URL password."""
        return {
            name: _redact(name, getattr(self, name)) for name in sorted(type(self).model_fields)
        }


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def load(kind: type[SettingsT]) -> SettingsT:
    """Read `kind` from the environment.

    Raises Fatal naming each variable at fault, the place in it (`HOMEROOM_SOURCES[2].pull.zone`,
    counted from 0) and the rule it broke, never the value.
    """
    try:
        return kind()
    except ValidationError as error:
        lines = [_fault(item["loc"], item["type"], item["msg"]) for item in error.errors()]
        raise Fatal("settings refused: " + "; ".join(lines)) from None
    except SettingsError as error:
        raise Fatal(f"settings refused: {_no_json(kind, error)}") from None


def is_demo_secret(value: str) -> bool:
    """Say whether `value` is, or holds as a whole word, a secret that this project published."""
    return _DEMO_SECRET.search(value) is not None


def variable_name(field: str) -> str:
    """Give the environment variable that sets `field`."""
    return f"{PREFIX}{field.upper()}"


def _production_faults(settings: ServiceSettings) -> list[str]:
    faults = [
        f"{name} holds a demo secret, which production refuses"
        for name in sorted(_names_with_demo_secrets(settings))
    ]
    if settings.database_embedded:
        faults.append("HOMEROOM_DATABASE_EMBEDDED: production refuses the embedded database")
    if settings.failpoint is not None:
        faults.append("HOMEROOM_FAILPOINT: production refuses fail points")
    if settings.operator_public_key is None:
        faults.append("HOMEROOM_OPERATOR_PUBLIC_KEY is missing, which production needs")
    return faults


def _names_with_demo_secrets(settings: ServiceSettings) -> set[str]:
    # The whole environment too: secrets named by convention (per source, per vendor) are no fields.
    names = {
        name
        for name, value in os.environ.items()
        if name.startswith(PREFIX) and is_demo_secret(value)
    }
    for field in type(settings).model_fields:
        if any(is_demo_secret(text) for text in _texts(getattr(settings, field))):
            names.add(variable_name(field))
    return names


def _texts(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case SecretStr():
            return [value.get_secret_value()]
        case BaseModel():
            return [
                text for name in type(value).model_fields for text in _texts(getattr(value, name))
            ]
        case Mapping():
            return [text for pair in value.items() for part in pair for text in _texts(part)]
        case list() | tuple() | set() | frozenset():
            return [text for part in value for text in _texts(part)]
        case _:
            return []


def _fault(location: tuple[int | str, ...], kind: str, message: str) -> str:
    rule = message.removeprefix("Value error, ") if kind in _SAFE_MESSAGES else kind
    if not location:
        return rule
    return f"{variable_name(str(location[0]))}{''.join(map(_step, location[1:]))}: {rule}"


def _step(part: int | str) -> str:
    """Write one part of a path; what may be more than a name is a star."""
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _SETTING_NAME.fullmatch(part) else ".*"


def _no_json(kind: type[BaseSettings], error: SettingsError) -> str:
    """Say which variable is no JSON, and where it ceases to be."""
    named = _UNREAD_FIELD.search(str(error))
    field = named[1] if named and named[1] in kind.model_fields else None
    variable = variable_name(field) if field else "a HOMEROOM_ variable that takes JSON"
    cause = error.__cause__
    place = (
        f" from line {cause.lineno}, column {cause.colno} on"
        if isinstance(cause, JSONDecodeError)
        else ""
    )
    return f"{variable} is no JSON{place}"


def _redact(name: str, value: object) -> object:
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        return _redact_url(secret) if "://" in secret else MASK
    if value is not None and _is_secret_name(name) and not isinstance(value, bool | int | float):
        return MASK
    match value:
        case str() if "://" in value:
            return _redact_url(value)
        case AnyUrl():
            return _redact_url(str(value))
        case BaseModel():
            return {
                field: _redact(field, getattr(value, field)) for field in type(value).model_fields
            }
        case Mapping():
            return {str(key): _redact(str(key), part) for key, part in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redact(name, part) for part in value]
        case _:
            return value


def _is_secret_name(name: str) -> bool:
    return "public" not in name.lower() and _SECRET_NAME.search(name) is not None


def _redact_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    credentials, at, place = parts.netloc.rpartition("@")
    user, colon, _ = credentials.partition(":")
    netloc = f"{user}{colon and ':' + MASK}{at}{place}"
    query = urlencode(
        [
            (key, MASK if _is_secret_name(key) else value)
            for key, value in parse_qsl(parts.query, keep_blank_values=True)
        ],
        safe="/*",
    )
    # By hand: urlunsplit drops the slashes of a URL without a host, as socket folders have.
    return f"{parts.scheme}://{netloc}{parts.path}{query and '?' + query}"
