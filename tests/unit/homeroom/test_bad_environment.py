"""What is wrong in the environment is named in one line, never shown, and never a traceback."""

import pytest

from homeroom.__main__ import main

Printed = pytest.CaptureFixture[str]


def refused(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HOMEROOM_PORT_BASE", "abc", ["status"]),
        ("HOMEROOM_DATABASE_URL", "postgresql://u:Pa/abc@h:5432/d", ["migrate"]),
        ("HOMEROOM_DATABASE_URL", "postgresql://u:Pa#abc@h:5432/d", ["doctor"]),
    ],
)
def test_a_variable_at_fault_is_named_and_its_value_is_not(
    name: str, value: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv(name, value)

    assert refused(*words) == 1

    printed = capsys.readouterr()
    assert name in printed.err
    assert "abc" not in printed.err + printed.out
    assert len(printed.err.splitlines()) == 1


def test_a_database_that_is_away_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("HOMEROOM_DATABASE_URL", "postgresql://u:pa55@127.0.0.1:1/d")

    assert refused("migrate") == 3

    assert capsys.readouterr().err.startswith("the database of HOMEROOM_DATABASE_URL is away (")
