"""`homeroom migrate` declares the topics as the services will look for them."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from homeroom.__main__ import main

Printed = pytest.CaptureFixture[str]


def topics(bootstrap: str, prefix: str) -> set[str]:
    """The broker's topics whose names begin so, without the prefix."""

    async def ask() -> set[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            return {name for name in await admin.list_topics() if name.startswith(prefix)}
        finally:
            await admin.close()

    return {name.removeprefix(prefix) for name in asyncio.run(ask())}


def migrate(
    monkeypatch: pytest.MonkeyPatch, url: str, bootstrap: str, *, prefix: str, copies: int
) -> int:
    monkeypatch.setenv("HOMEROOM_DATABASE_URL", url)
    monkeypatch.setenv("HOMEROOM_KAFKA_BOOTSTRAP", bootstrap)
    monkeypatch.setenv("HOMEROOM_KAFKA_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("HOMEROOM_KAFKA_REPLICATION", str(copies))
    with pytest.raises(SystemExit) as ended:
        main(["migrate"])
    return int(ended.value.code or 0)


def test_topics_have_the_prefix_of_the_installation(
    database_url: str, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert migrate(monkeypatch, database_url, kafka_bootstrap, prefix="mine.", copies=1) == 0

    assert topics(kafka_bootstrap, "mine.") >= {"sis.changes", "roster.state"}


def test_as_many_copies_are_asked_for_as_the_setting_says(
    database_url: str, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    """One broker cannot keep two copies: the refusal shows that they were asked for."""
    assert migrate(monkeypatch, database_url, kafka_bootstrap, prefix="two.", copies=2) == 1

    assert "InvalidReplicationFactor" in capsys.readouterr().err
    assert topics(kafka_bootstrap, "two.") == set()
