"""The addresses of parts that already run, from the environment. Nothing else reads them here."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class PartsSettings(BaseSettings):
    """`HOMEROOM_DATABASE_URL`, `HOMEROOM_KAFKA_BOOTSTRAP`, `HOMEROOM_CACHE`, and by their own
    names `DOCKER_HOST` and `JAVA_HOME`.

    `cache` is the folder of Kafka's jars; a relative path counts from the working directory.
    """

    model_config = SettingsConfigDict(env_prefix="HOMEROOM_", extra="ignore", frozen=True)

    database_url: SecretStr | None = None
    kafka_bootstrap: str | None = None
    docker_host: str | None = Field(default=None, validation_alias="DOCKER_HOST")
    java_home: Path | None = Field(default=None, validation_alias="JAVA_HOME")
    cache: Path = Path(".cache/kafka-4.3.1")
