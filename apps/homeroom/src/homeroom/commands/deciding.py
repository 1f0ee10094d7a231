"""Decisions that are tried first and shown: the options all of them have, and the question.

What a dry run shows has a hash; what is sent afterwards carries it, so it does that or nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from homeroom.commands.decisions import YesOption
from homeroom.commands.options import FolderOption, PortOption
from homeroom.commands.tables import JsonOption, print_json
from homeroom.operator_client import Page

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would differ, and change nothing.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a decision is made, and at which installation."""

    dry_run: bool = False
    yes: bool = False
    as_json: bool = False
    folder: Path | None = None
    port_base: int | None = None


_OPTIONS: Final = {
    "dry_run": DryRunOption,
    "yes": YesOption,
    "as_json": JsonOption,
    "folder": FolderOption,
    "port_base": PortOption,
}
_SHARED: Final = tuple(
    Parameter(one.name, Parameter.KEYWORD_ONLY, default=one.default, annotation=_OPTIONS[one.name])
    for one in fields(Manner)
)


def decision(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of every decision; it takes them together, as `manner`.

    With `--json` nobody can be asked, so it wants `--dry-run` or `--yes` beside it.
    """

    @wraps(command)
    def run(**given: Any) -> None:
        """The command, once its shared options are one value."""
        manner = Manner(**{one.name: given.pop(one.name) for one in _SHARED})
        if manner.as_json and not (manner.dry_run or manner.yes):
            raise typer.BadParameter("--json asks nothing: give --dry-run or --yes as well")
        command(**given, manner=manner)

    own = [one for one in signature(command).parameters.values() if one.name != "manner"]
    # What typer makes the command's options from.
    run.__signature__ = signature(command).replace(  # type: ignore[attr-defined]
        parameters=[*own, *_SHARED]
    )
    return run


def agreed(
    manner: Manner, *, plan: Page, show: Callable[[Page], None], question: str | None
) -> bool:
    """Show what a dry run said and ask; whether it shall be done. No question: nothing to do."""
    doing = question is not None and not manner.dry_run
    if not manner.as_json:
        show(plan)
    elif not doing:
        print_json(plan)
    if doing and not manner.yes:
        typer.confirm(str(question), abort=True)
    return doing
