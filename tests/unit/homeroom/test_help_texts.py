"""`--help` tells of every command, option and argument what it is for."""

from collections.abc import Iterator
from typing import Any

import typer.main
from typer.core import TyperGroup

from homeroom.__main__ import app


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command by its words, the groups too."""
    yield name, command
    if isinstance(command, TyperGroup):
        for below, one in command.commands.items():
            yield from commands(one, f"{name} {below}")


ALL = dict(commands(typer.main.get_command(app), "homeroom"))


def test_every_command_says_what_it_does() -> None:
    assert [name for name, command in ALL.items() if not command.help] == []


def test_every_option_and_argument_says_what_it_is() -> None:
    silent = [
        f"{name} {parameter.opts[0]}"
        for name, command in ALL.items()
        for parameter in command.params
        if not getattr(parameter, "help", None) and not getattr(parameter, "hidden", False)
    ]

    assert [one for one in silent if "completion" not in one] == []


def test_every_decision_can_be_tried_first() -> None:
    decisions = (
        "authority set",
        "authority clear",
        "merge",
        "split",
        "undo",
        "suggestions confirm",
    )

    for name in decisions:
        options = {option for one in ALL[f"homeroom {name}"].params for option in one.opts}
        assert {"--dry-run", "--yes", "--json", "--folder", "--port-base"} <= options
