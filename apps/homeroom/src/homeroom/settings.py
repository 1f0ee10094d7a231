"""What the `homeroom` command reads from its environment. Nothing else here reads it.

The parts read the addresses of running parts themselves (`parts/settings.py`).
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_FOLDER = Path(".demo")
DEFAULT_PORT_BASE = 8101


class CommandSettings(BaseSettings):
    """Where things stand (`HOMEROOM_FOLDER`, `…_PORT_BASE`, `…_DATABASE_URL`, …) and `CI`."""

    model_config = SettingsConfigDict(
        env_prefix="HOMEROOM_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    folder: Path = DEFAULT_FOLDER
    port_base: int = Field(default=DEFAULT_PORT_BASE, ge=1024, le=65_000)
    operator_token: SecretStr | None = None
    database_url: SecretStr | None = None
    kafka_bootstrap: str | None = None
    ci: bool = Field(default=False, validation_alias="CI")


def inherited_environment() -> Mapping[str, str]:
    """Return this process's own environment, which children get under what we set for them."""
    return dict(os.environ)
