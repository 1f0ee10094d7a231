"""The addresses of parts that already run, from the environment. Nothing else reads them here."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from roster_common.runtime.database_url import DatabaseUrl
from roster_common.runtime.settings import load


class PartsSettings(BaseSettings):
    """What the environment says about parts: `HOMEROOM_…`, and Docker's and Java's own names.

    `cache` is the folder of Kafka's jars; a relative path counts from the working directory.
    """

    model_config = SettingsConfigDict(
        env_prefix="HOMEROOM_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    database_url: DatabaseUrl | None = None
    kafka_bootstrap: str | None = None
    docker_host: str | None = Field(default=None, validation_alias="DOCKER_HOST")
    java_home: Path | None = Field(default=None, validation_alias="JAVA_HOME")
    cache: Path = Path(".cache/kafka-4.3.1")


def parts_settings() -> PartsSettings:
    """Read the environment; raises Fatal naming the variable at fault, never its value."""
    return load(PartsSettings)
