"""What this service is told from outside. Read by __main__ and bootstrap only."""

from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from roster_common.holds import Limit
from roster_common.runtime.sealing import read_key
from roster_common.runtime.settings import ServiceSettings
from sis_ingest.adapters.drops.sftp import is_host_key
from sis_ingest.domain.drops import DropRules
from sis_ingest.domain.guards import LIMITS, GuardKey
from sis_ingest.domain.runs import STEP_TIMEOUT_S
from sis_ingest.ports.pulls import Auth
from sis_ingest.sources import KINDS

SCHEMA = "sis_ingest"
# Published, so that a trial needs no key of its own; a production start refuses it.
DEMO_BODY_KEY = SecretStr("ZGVtby1ib2R5LWtleS1ub3QtZm9yLXByb2R1Y3Rpb24=")


class DropSettings(BaseModel):
    """A place where a source leaves its files; JSON in camelCase.

    `pattern` and `doneMarker` are explained at `domain.drops.DropRules`. Taken files are left where
    they are, or moved to the folder `moveTo`, counted from theirs, which has to be there; loose
    ones stay, or one that comes late would miss the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    pattern: str = Field(default="*.zip", pattern=r"^[^/]{1,200}$")
    every_seconds: float = Field(default=60, ge=1, le=86_400)
    done_marker: bool = False
    move_to: str | None = Field(default=None, pattern=r"^[^\x00]{1,500}$")

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.move_to is not None and self.rules.together:
            raise ValueError("loose files of a package are not moved")
        return self

    @property
    def rules(self) -> DropRules:
        """Which files are meant."""
        return DropRules(pattern=self.pattern, done_marker=self.done_marker)


class FolderSettings(DropSettings):
    """A folder of this machine, or mounted here."""

    path: Path


class SftpSettings(DropSettings):
    """A folder on an SFTP server. `hostKey` is the server's public key, as `ssh-keyscan` prints it
    behind the host; without it anybody could be the server.
    """

    host: str = Field(min_length=1)
    port: int = Field(default=22, ge=1, le=65_535)
    username: str = Field(min_length=1)
    password: SecretStr | None = None
    key_file: Path | None = None
    host_key: str
    folder: str = "."

    @field_validator("host_key")
    @classmethod
    def _pinned(cls, key: str) -> str:
        if not is_host_key(key):
            raise ValueError("hostKey is no public key of a server")
        return key

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.password is None) == (self.key_file is None):
            raise ValueError("SFTP needs either a password or a keyFile")
        return self


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class PullSettings(BaseModel):
    """How a source's own interface is read: where, as whom, how much at once, and when.

    `fullDay` None means every day. `windows` are hours of the district within which a pull may
    begin, `blackouts` days on which none does. `options` are words of the source's kind, which has
    defaults of its own for what is left out. An answer may take `timeoutSeconds`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    base_url: HttpUrl
    token_url: HttpUrl | None = None
    client_id: str = Field(min_length=1)
    client_secret: SecretStr
    auth: Auth = "oauth2"
    page_size: int = Field(default=1_000, ge=1, le=50_000)
    concurrency: int = Field(default=1, ge=1, le=16)
    timeout_seconds: float = Field(default=60, ge=1, le=600)
    options: dict[str, str] = {}
    zone: str = "UTC"
    full_day: Day | None = "sun"
    full_at: time = time(2, 0)
    delta_every_seconds: float | None = Field(default=900, gt=0)
    windows: tuple[tuple[time, time], ...] = ()
    blackouts: tuple[tuple[date, date], ...] = ()

    @field_validator("base_url", "token_url")
    @classmethod
    def _sealed(cls, url: HttpUrl | None) -> HttpUrl | None:
        if url is not None and not _is_sealed(str(url)):
            raise ValueError("student data and secrets travel over https only")
        return url

    @field_validator("options")
    @classmethod
    def _addresses_sealed(cls, options: dict[str, str]) -> dict[str, str]:
        """A callback's address carries its key."""
        for name, value in options.items():
            if name.endswith("Url") and not _is_sealed(value):
                raise ValueError(f"options.{name} is an address that begins with https://")
        return options

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError("no such time zone")
        return zone


def _is_sealed(url: str) -> bool:
    """Whether nobody on the way reads what goes there: by TLS, or on this machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or parts.hostname in _LOOPBACK)


_GUARDS: Final[Mapping[str, GuardKey]] = {".".join(key): key for key in LIMITS}


class LimitSettings(BaseModel):
    """What may go in 24 hours without asking: `count` records, or `share` (0 to 1) of all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(ge=0)
    share: float = Field(ge=0, le=1)


class SourceSettings(BaseModel):
    """One source. `id` is unique over the installation and binds one district.

    `kind` names the room that reads its webhooks, `files` the one that reads its snapshots;
    `profile` binds it to one layout of those, for exports that do not tell theirs. Files come in
    by upload, and from `folder` or `sftp`.
    Two `secrets` may be valid at once while one is being changed; without any it takes no
    webhooks, because an empty secret is one that everybody has. `limits` replaces limits of ADR
    0012 by the name of their guard, as `user.remove`. `predecessors` are
    sources of the district whose ids its records may say that they had before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")
    district: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")
    kind: str = "generic"
    files: str = "oneroster_csv"
    profile: str | None = None
    secrets: tuple[SecretStr, ...] = Field(default=(), max_length=2)
    folder: FolderSettings | None = None
    sftp: SftpSettings | None = None
    pull: PullSettings | None = None
    limits: Mapping[str, LimitSettings] = Field(default_factory=dict)
    predecessors: tuple[str, ...] = ()
    expect_every_seconds: int | None = Field(default=None, ge=1, alias="expectEverySeconds")

    @field_validator("limits")
    @classmethod
    def _of_guards(cls, limits: Mapping[str, LimitSettings]) -> Mapping[str, LimitSettings]:
        if not limits.keys() <= _GUARDS.keys():
            raise ValueError(f"limits are of the guards {', '.join(_GUARDS)}")
        return limits

    def plain_secrets(self) -> tuple[str, ...]:
        """The secrets as they are; never to be logged."""
        return tuple(secret.get_secret_value() for secret in self.secrets)

    @field_validator("kind", "files")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError("no source room has this kind")
        return kind

    @field_validator("secrets")
    @classmethod
    def _filled(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(secret.get_secret_value()) < 8 for secret in secrets):
            raise ValueError("a webhook secret has at least 8 characters")
        return secrets

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, told: Any) -> Any:
        """What the kind says of its pulls, beneath what the operator says."""
        if not isinstance(told, dict) or not isinstance(told.get("pull"), dict):
            return told
        kind = KINDS.get(str(told.get("kind")))
        if kind is None or kind.pull is None:
            return told
        return {**told, "pull": {**kind.pull.defaults, **told["pull"]}}

    @model_validator(mode="after")
    def _pullable(self) -> Self:
        """Mistakes that the first pull would meet at night."""
        if self.pull is None:
            return self
        kind = KINDS[self.kind]
        if kind.pull is None:
            raise ValueError("a source of this kind cannot be pulled")
        if self.pull.concurrency > kind.pull.most_at_once:
            most = kind.pull.most_at_once
            raise ValueError(f"{kind.title} allows at most {most} requests at once: concurrency")
        options, known = self.pull.options, kind.pull.options
        for name in kind.pull.needs:
            if not options.get(name):
                raise ValueError(f"{kind.title} needs options.{name}")
        for name, value in options.items() if known is not None else ():
            if known is None or name not in known:
                raise ValueError(f"{kind.title} knows the options {', '.join(known or ())}")
            if known[name] and value not in known[name]:
                raise ValueError(f"options.{name} is one of {', '.join(known[name])}")
        has_token_url = self.pull.token_url is not None or kind.pull.token_url is not None
        if self.pull.auth == "oauth2" and not has_token_url:
            raise ValueError("a source that gives tokens needs tokenUrl")
        return self

    @model_validator(mode="after")
    def _usable(self) -> Self:
        webhook = KINDS[self.kind].webhook
        given = [secret.get_secret_value() for secret in self.secrets]
        if webhook is not None and not all(map(webhook.is_secret, given)):
            raise ValueError("a webhook secret is not of the form that its kind needs")
        if self.pull is None and self.secrets and KINDS[self.kind].hints is not None:
            raise ValueError("webhooks of this kind only hint: without pull nothing can be read")
        if self.profile is not None and self.profile not in KINDS[self.files].profiles:
            raise ValueError("the room that reads the files has no such profile")
        if self.folder is not None and self.sftp is not None:
            raise ValueError("a source has a folder or sftp, not both")
        if (self.folder or self.sftp) and KINDS[self.files].snapshot is None:
            raise ValueError("the room named by files reads none")
        return self

    def all_limits(self) -> Mapping[GuardKey, Limit]:
        """The limit of each guard for this source."""
        own = {
            _GUARDS[name]: Limit(count=limit.count, share=limit.share)
            for name, limit in self.limits.items()
        }
        return {**LIMITS, **own}


class Settings(ServiceSettings):
    """Environment, prefix HOMEROOM_. `HOMEROOM_SOURCES` is a JSON list of sources.

    `HOMEROOM_BODY_KEYS` is a JSON list of keys, base64 of 32 bytes each: webhook bodies are sealed
    with the first and opened with any of them.
    """

    service: Literal["sis-ingest"] = "sis-ingest"
    port: int = 8101
    sources: tuple[SourceSettings, ...] = ()
    data_dir: Path = Path("data/sis-ingest")
    webhook_limit_bytes: int = Field(default=1024 * 1024, ge=1)
    snapshot_limit_bytes: int = Field(default=2 * 1024**3, ge=1)
    step_timeout_s: float = Field(default=STEP_TIMEOUT_S, gt=0)
    raw_retention_days: float = Field(default=30.0, ge=1)
    body_keys: tuple[SecretStr, ...] = Field(default=(DEMO_BODY_KEY,), min_length=1)

    @field_validator("body_keys")
    @classmethod
    def _are_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in keys:
            read_key(key.get_secret_value())
        return keys

    @property
    def predecessors(self) -> Mapping[str, tuple[str, ...]]:
        """By source, the sources before it."""
        return {source.id: source.predecessors for source in self.sources}

    @field_validator("sources")
    @classmethod
    def _distinct(cls, sources: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        if len({source.id for source in sources}) != len(sources):
            raise ValueError("two sources have the same id")
        return sources
