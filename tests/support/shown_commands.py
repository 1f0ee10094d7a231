"""Command lines that our pages show, and whether the `homeroom` command knows them."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer.main
from typer.core import TyperGroup

from homeroom.__main__ import app

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = {"", "sh", "bash", "shell", "console"}


def shell_lines(markdown: str) -> Iterator[list[str]]:
    """Yield the words of every command line in shell fences; output lines are not commands."""
    for language, body in FENCE.findall(markdown):
        if language not in SHELL:
            continue
        for line in body.splitlines():
            command = line.strip().removeprefix("$ ")
            if re.match(r"(\S+/)?(make|homeroom)\b", command):
                yield shlex.split(command, comments=True)


def lines_of(program: str, page: Path) -> list[list[str]]:
    """The lines of a page that call this program."""
    lines = shell_lines(page.read_text(encoding="utf-8"))
    return [words for words in lines if Path(words[0]).name == program]


def homeroom_commands() -> list[str]:
    """Every command there is, with the commands below it: `holds`, `holds show`, …"""
    return sorted(_below(_root(), ""))


def complaint(words: Sequence[str]) -> str | None:
    """What is wrong with a `homeroom` line, None if its command has every option it shows."""
    command, rest = _root(), list(words[1:])
    named = ["homeroom"]
    while isinstance(command, TyperGroup) and rest and rest[0] in command.commands:
        named.append(rest[0])
        command = command.commands[rest.pop(0)]
    if len(named) == 1:
        return f"there is no {' '.join(words[:2])}"
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    shown = {word.partition("=")[0] for word in rest if word.startswith("--")}
    return f"{' '.join(named)} has no {sorted(shown - known)}" if shown - known else None


def _root() -> TyperGroup:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def _below(group: TyperGroup, prefix: str) -> Iterator[str]:
    for name, command in group.commands.items():
        yield f"{prefix}{name}"
        if isinstance(command, TyperGroup):
            yield from _below(command, f"{prefix}{name} ")
