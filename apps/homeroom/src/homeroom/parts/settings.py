"""The addresses of parts that already run, from the environment. Nothing else reads them here."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class PartsSettings(BaseSettings):
    """What the environment says about parts: `HOMEROOM_…`, and Docker's and Java's own names.

    `cache` is the folder of Kafka's jars; a relative path counts from the working directory.
    """

    model_config = SettingsConfigDict(
        env_prefix="HOMEROOM_", extra="ignore", frozen=True, populate_by_name=True
    )

    database_url: SecretStr | None = None
    kafka_bootstrap: str | None = None
    docker_host: str | None = Field(default=None, validation_alias="DOCKER_HOST")
    java_home: Path | None = Field(default=None, validation_alias="JAVA_HOME")
    cache: Path = Path(".cache/kafka-4.3.1")
