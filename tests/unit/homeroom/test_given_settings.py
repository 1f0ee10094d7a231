"""What the environment may tell the processes of a run: nothing to a demo, settings to `up`."""

import json
from pathlib import Path

import pytest

from homeroom.errors import CommandFailed
from homeroom.given import Given
from homeroom.installation import SOURCE, Installation
from homeroom.layout import Layout, Ports
from homeroom.settings import given_variables, inherited_environment

REAL = [{"id": "north-sis", "district": "north", "kind": "generic", "secrets": ["whsec_bm9ydGg="]}]


def installation(given: Given | None = None, **more: str) -> Installation:
    return Installation(
        layout=Layout(folder=Path(".demo")),
        ports=Ports(base=8101),
        database_url="postgresql://nobody@127.0.0.1:1/none",
        database_embedded=False,
        operator_public_key="none",
        body_key="none",
        scim_url="http://127.0.0.1:1",
        scim_token="none",
        given=given or Given(),
        **more,
    )


def sources(of: Installation) -> dict[str, dict[str, object]]:
    return {entry["id"]: entry for entry in json.loads(of.variables()["HOMEROOM_SOURCES"])}


def test_settings_of_another_installation_do_not_reach_the_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOMEROOM_KAFKA_BOOTSTRAP", "broker.example:9092")
    monkeypatch.setenv("HOMEROOM_NAME_AUTHORITY", "{}")
    monkeypatch.setenv("HOMEROOM_LOG_LEVEL", "debug")
    monkeypatch.setenv("LANG", "C")

    inherited = inherited_environment()

    assert {name for name in inherited if name.startswith("HOMEROOM_")} == {"HOMEROOM_LOG_LEVEL"}
    assert inherited["LANG"] == "C"
    assert "HOMEROOM_KAFKA_BOOTSTRAP" not in installation().variables()


def test_a_run_over_kafka_has_topics_of_its_own() -> None:
    variables = installation(kafka_bootstrap="127.0.0.1:9", kafka_prefix="demo-1.").variables()

    assert variables["HOMEROOM_KAFKA_TOPIC_PREFIX"] == "demo-1."


def test_given_sources_stand_beside_the_demos_and_replace_their_namesakes() -> None:
    renewed = {"id": SOURCE, "district": "demo", "kind": "generic", "secrets": ["whsec_bmV3"]}
    given = Given(variables={"HOMEROOM_SOURCES": json.dumps([*REAL, renewed])})

    found = sources(installation(given))

    assert found.keys() == {"north-sis", SOURCE, "demo-hr", "demo-forms"}
    assert (found["north-sis"], found[SOURCE]) == (REAL[0], renewed)
    assert given.districts() == {"north", "demo"}


def test_other_given_settings_win_over_the_demos_habits_but_not_over_its_parts() -> None:
    variables = {"HOMEROOM_SETTLE_SECONDS": "900", "HOMEROOM_ENVIRONMENT": "production"}
    told = installation(Given(variables=variables))

    assert told.variables()["HOMEROOM_SETTLE_SECONDS"] == "900"
    assert told.variables()["HOMEROOM_ENVIRONMENT"] == "demo"
    assert told.from_outside() == {"HOMEROOM_SETTLE_SECONDS"}


def test_the_command_takes_neither_its_own_settings_nor_a_broker_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOMEROOM_SOURCES", "[]")
    for name in ("HOMEROOM_KAFKA_BOOTSTRAP", "HOMEROOM_OPERATOR_TOKEN", "HOMEROOM_PORT"):
        monkeypatch.setenv(name, "1")

    assert given_variables().keys() == {"HOMEROOM_SOURCES"}


@pytest.mark.parametrize("text", ["{", "{}", '["secret"]', '[{"secret": "s"}]'])
def test_a_list_that_is_none_is_refused_by_its_name_alone(text: str) -> None:
    told = installation(Given(variables={"HOMEROOM_CLIENTS": text}))

    with pytest.raises(CommandFailed, match=r"^HOMEROOM_CLIENTS is no JSON list") as refused:
        told.variables()

    assert "secret" not in str(refused.value)
