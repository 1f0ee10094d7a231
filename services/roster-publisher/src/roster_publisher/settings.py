"""What this service is told from outside. Read by bootstrap and `__main__` only."""

import re
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    field_validator,
    model_validator,
)

from roster_common.runtime import sealing
from roster_common.runtime.settings import ServiceSettings
from roster_common.runtime.webhook_signatures import is_secret, key_of
from roster_publisher.domain.access import FieldGroup, How, Transform
from roster_publisher.domain.pacing import LEAST_RATE, MOST_RATE, Pace
from roster_publisher.domain.rules import Rule
from roster_publisher.domain.transforms import BadTransform, read_key, read_transforms
from roster_publisher.domain.webhooks import EVENTS

_FOLDER_PATTERN: Final = r"^[A-Za-z0-9_][\w.\-]*$"
_FOLDER: Final = re.compile(_FOLDER_PATTERN)
# As the Standard Webhooks specification asks for.
_SECRET_BYTES: Final = 24
_Values: TypeAlias = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class WebhookSetting(BaseModel):
    """Where a vendor is told what changes. Every secret signs, so that it may be changed: put the
    new one in front, and drop the old one when the vendor knows the new one. `events` None is all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = Field(max_length=2_000)
    secrets: tuple[SecretStr, ...] = Field(min_length=1, max_length=5)
    events: frozenset[str] | None = Field(default=None, min_length=1)

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            sound = parts.scheme in {"https", "http"} and parts.hostname and parts.port != 0
        except ValueError:
            sound = False
        if not sound or parts.username or parts.password or parts.fragment:
            raise ValueError("a webhook's url is https without user, password and fragment")
        return url

    @field_validator("secrets")
    @classmethod
    def _are_secrets(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in secrets:
            text = secret.get_secret_value()
            if not is_secret(text) or len(key_of(text)) < _SECRET_BYTES:
                raise ValueError("a webhook's secret is whsec_ and base64 of 24 bytes or more")
        return secrets

    @field_validator("events")
    @classmethod
    def _are_events(cls, events: frozenset[str] | None) -> frozenset[str] | None:
        if events is not None and events - EVENTS:
            raise ValueError("a webhook's events are as users.upserted, users.*, sync.completed")
        return events


class OAuth1Setting(BaseModel):
    """With what a vendor signs by OAuth 1.0a; the key is unique over the installation."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    key: str = Field(min_length=1, max_length=255, pattern=r"^[!-~]+$")
    secret: SecretStr = Field(min_length=1)


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


class ExportSetting(BaseModel):
    """Packages written by schedule: each day `at` a time of the district, or `everySeconds`; the
    newest `keep` stay in `folder`, which is named after the client unless told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    folder: str | None = Field(default=None, max_length=100, pattern=_FOLDER_PATTERN)
    version: Literal["1.1", "1.2"] = "1.2"
    mode: Literal["bulk", "delta"] = "bulk"
    at: time | None = None
    every_seconds: Annotated[float, Field(ge=60)] | None = Field(default=None, alias="everySeconds")
    keep: int = Field(default=14, ge=1, le=10_000)

    @model_validator(mode="after")
    def _has_one_rhythm(self) -> Self:
        if (self.at is None) == (self.every_seconds is None):
            raise ValueError("an export has either at or everySeconds")
        if self.at is not None and self.at.tzinfo is not None:
            raise ValueError("an export's time of day is the district's, without a zone")
        return self


class ClientSetting(BaseModel):
    """A vendor client: `scopes` are full URIs; it sees `schools` and `rules`, or with neither the
    whole district; `fields` None are all field groups; `transform` says by the name of a field what
    it is sent as; the grant ends at `expires`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str = Field(min_length=1)
    secret: SecretStr
    district: str = Field(min_length=1)
    scopes: tuple[str, ...]
    schools: tuple[str, ...] | None = None
    rules: tuple[RuleSetting, ...] = ()
    fields: frozenset[FieldGroup] | None = None
    transform: dict[str, How] = Field(default_factory=dict)
    agreement: str | None = Field(default=None, min_length=1)
    purpose: str | None = Field(default=None, min_length=1)
    expires: AwareDatetime | None = None
    rate: Annotated[float, Field(ge=LEAST_RATE, le=MOST_RATE)] | None = None
    burst: Annotated[int, Field(ge=1)] | None = None
    webhook: WebhookSetting | None = None
    oauth1: OAuth1Setting | None = None
    exports: tuple[ExportSetting, ...] = ()

    @model_validator(mode="after")
    def _has_folders(self) -> Self:
        names = [(one.folder or self.id, one.version, one.mode) for one in self.exports]
        if len(set(names)) < len(names):
            raise ValueError("two exports of a client are the same")
        if self.exports and not all(one.folder or _FOLDER.match(self.id) for one in self.exports):
            raise ValueError("an export needs a folder where the client's id cannot name one")
        return self

    @model_validator(mode="after")
    def _has_a_whole_pace(self) -> Self:
        if (self.rate is None) != (self.burst is None):
            raise ValueError("a client's rate and burst come together")
        return self

    @property
    def pace(self) -> Pace | None:
        """How fast it may ask, if that is its own."""
        if self.rate is None or self.burst is None:
            return None
        return Pace(rate=self.rate, burst=self.burst)

    @model_validator(mode="after")
    def _transforms_what_it_may(self) -> Self:
        try:
            self.transforms()
        except BadTransform as error:
            raise ValueError(f"client {self.id} cannot transform {error}") from None
        return self

    def transforms(self) -> tuple[Transform, ...]:
        """The transformations of fields, in the order of their names."""
        return read_transforms(self.transform)


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
    credential_keys: tuple[SecretStr, ...] = ()
    settle_seconds: Annotated[float, Field(ge=0)] = 900.0
    time_zone: str = "UTC"
    time_zones: dict[str, str] = Field(default_factory=dict)
    name_authority: dict[str, NameAuthoritySetting] = Field(default_factory=dict)
    history_hours: Annotated[float, Field(ge=2)] = 24.0
    tombstone_days: Annotated[float, Field(ge=1)] = 90.0
    vendor_rate: Annotated[float, Field(ge=LEAST_RATE, le=MOST_RATE)] = 500.0
    vendor_burst: Annotated[int, Field(ge=1)] = 5_000
    audit_days: Annotated[float, Field(ge=1)] = 400.0
    apply_batch: Annotated[int, Field(ge=1, le=5_000)] = 500
    hash_key: SecretStr | None = None
    # Below what every statement may take, so that this answer comes first.
    slow_query_seconds: Annotated[float, Field(ge=0.1, le=25)] = 10.0
    export_dir: Path | None = None
    packages_at_once: Annotated[int, Field(ge=1)] = 4
    webhook_networks: tuple[IPvAnyNetwork, ...] = ()
    webhook_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 15.0

    @field_validator("hash_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            read_key(key.get_secret_value())
        return key

    @model_validator(mode="after")
    def _hashes_have_a_key(self) -> Self:
        hashing = [one.id for one in self.clients if "hash" in one.transform.values()]
        if self.hash_key is None and hashing:
            raise ValueError(f"HOMEROOM_HASH_KEY is missing, which client {hashing[0]} needs")
        return self

    @property
    def plain_hash_key(self) -> bytes | None:
        """The key of hashes as it is; never to be logged."""
        return None if self.hash_key is None else read_key(self.hash_key.get_secret_value())

    @model_validator(mode="after")
    def _hrefs_lead_somewhere(self) -> Self:
        if self.public_url is None and any(client.webhook for client in self.clients):
            # Nobody asks for a webhook, so there is no address that the caller used.
            raise ValueError("HOMEROOM_PUBLIC_URL is missing, which webhooks need")
        return self

    @field_validator("credential_keys")
    @classmethod
    def _are_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in keys:
            sealing.read_key(key.get_secret_value())
        return keys

    @model_validator(mode="after")
    def _signing_keys_can_be_kept(self) -> Self:
        signing = [client.oauth1.key for client in self.clients if client.oauth1 is not None]
        if signing and not self.credential_keys:
            raise ValueError("HOMEROOM_CREDENTIAL_KEYS is missing, which OAuth 1 needs")
        if len(set(signing)) != len(signing):
            raise ValueError("two clients have the same OAuth 1 key")
        return self

    @model_validator(mode="after")
    def _exports_have_a_place(self) -> Self:
        if self.export_dir is None and any(client.exports for client in self.clients):
            raise ValueError("HOMEROOM_EXPORT_DIR is missing, which exports need")
        folders = [(one.folder or client.id) for client in self.clients for one in client.exports]
        owners = {
            (one.folder or client.id, client.id)
            for client in self.clients
            for one in client.exports
        }
        if len(owners) > len(set(folders)):
            raise ValueError("two clients have one folder for exports")
        return self

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

    @property
    def keep_audit(self) -> timedelta:
        """How long it is known what a vendor pulled, and when."""
        return timedelta(days=self.audit_days)

    @property
    def vendor_pace(self) -> Pace:
        """How fast a client without a pace of its own may ask."""
        return Pace(rate=self.vendor_rate, burst=self.vendor_burst)
