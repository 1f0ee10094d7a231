"""What the `homeroom` command reads from its environment. Nothing else here reads it.

The parts read the addresses of running parts themselves (`parts/settings.py`).
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from roster_common.runtime.database_url import DatabaseUrl
from roster_common.runtime.settings import load

DEFAULT_FOLDER = Path(".demo")
DEFAULT_PORT_BASE = 8101
# Where a service of an installation on this box is.
LOCAL = "http://127.0.0.1:{port}"


class CommandSettings(BaseSettings):
    """Where things stand (`HOMEROOM_FOLDER`, `…_PORT_BASE`, `…_DATABASE_URL`, …) and `CI`."""

    model_config = SettingsConfigDict(
        env_prefix="HOMEROOM_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    folder: Path = DEFAULT_FOLDER
    port_base: int = Field(default=DEFAULT_PORT_BASE, ge=1024, le=65_000)
    operator_token: SecretStr | None = None
    address: str = Field(default=LOCAL, pattern=r"^https?://[^/]")
    database_url: DatabaseUrl | None = None
    kafka_bootstrap: str | None = None
    kafka_topic_prefix: str = ""
    kafka_replication: int = Field(default=1, ge=1)
    ci: str = Field(default="", validation_alias="CI")

    @property
    def in_ci(self) -> bool:
        """Whether a build server runs us; `CI` says true, 1 or the server's name."""
        return self.ci.lower() not in {"", "0", "false", "no"}


def command_settings() -> CommandSettings:
    """Read the environment; raises Fatal naming the variable at fault, never its value."""
    return load(CommandSettings)


PREFIX = "HOMEROOM_"
# What may be told to the processes of any run: it changes what they say, never whom they work for.
FOR_ANY_RUN = frozenset(
    {
        "HOMEROOM_LOG_LEVEL",
        "HOMEROOM_LOG_FORMAT",
        "HOMEROOM_OTLP_ENDPOINT",
        "HOMEROOM_TRACE_SAMPLE_RATIO",
    }
)
# What the command reads itself, and what each process has of its own. --kafka alone chooses the
# transport.
_NOT_GIVEN = frozenset(
    {
        "HOMEROOM_FOLDER",
        "HOMEROOM_PORT_BASE",
        "HOMEROOM_OPERATOR_TOKEN",
        "HOMEROOM_PORT",
        "HOMEROOM_PUBLIC_URL",
        "HOMEROOM_DATA_DIR",
    }
)
_TRANSPORT = "HOMEROOM_KAFKA_"


def inherited_environment() -> Mapping[str, str]:
    """Return this process's own environment, which children get under what we set for them.

    Of our own variables only those for any run: another installation's may be exported here.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(PREFIX) or name in FOR_ANY_RUN
    }


def given_variables() -> Mapping[str, str]:
    """Return a person's own settings of services, for `homeroom up`. Holds secrets."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(PREFIX) and name not in _NOT_GIVEN and not name.startswith(_TRANSPORT)
    }
