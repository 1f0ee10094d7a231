"""README.md promises commands; each of them is there, with the options it is shown with."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import typer.main
from typer.core import TyperGroup

from homeroom.__main__ import app

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = {"", "sh", "bash", "shell", "console"}
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def shell_lines(markdown: str) -> Iterator[list[str]]:
    """Yield the words of every command line in shell fences; output lines are not commands."""
    for language, body in FENCE.findall(markdown):
        if language not in SHELL:
            continue
        for line in body.splitlines():
            command = line.strip().removeprefix("$ ")
            if re.match(r"(\S+/)?(make|homeroom)\b", command):
                yield shlex.split(command, comments=True)


def commands_of(program: str) -> list[list[str]]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return [words for words in shell_lines(readme) if Path(words[0]).name == program]


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    words = {word for line in commands_of("make") for word in line[1:]}
    promised = {word for word in words if "=" not in word and not word.startswith("-")}

    assert promised - targets == set()
    assert "demo" in promised
    assert "up" in promised


def test_every_homeroom_command_in_the_readme_exists_with_its_options() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)

    for words in commands_of("homeroom"):
        command = group.commands.get(words[1])
        assert command is not None, f"homeroom {words[1]}"
        known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        shown = {word.partition("=")[0] for word in words[2:] if word.startswith("--")}
        assert shown <= known, f"homeroom {words[1]}"


def test_the_extractor_reads_commands_and_leaves_their_output() -> None:
    readme = "```console\n$ make demo KAFKA=1  # over Kafka\nOK\n```\n```python\nmake = 1\n```\n"

    assert list(shell_lines(readme)) == [["make", "demo", "KAFKA=1"]]
