"""What waits for a person: list, look, approve, reject. One set of commands for holds and plans.

An approval carries the hash of what was shown here, so it never covers more than its giver saw
(ADR 0012).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

import typer

from homeroom.commands.asking import ask, operator, page_of
from homeroom.commands.options import FolderOption, PortOption, display, one_name
from homeroom.commands.tables import (
    JsonOption,
    LimitOption,
    OffsetOption,
    cell,
    moment,
    more,
    print_json,
    print_table,
)
from homeroom.display import Display
from homeroom.errors import CommandFailed
from homeroom.failure import ADVICE
from homeroom.operator_client import OperatorClient, Page
from homeroom.services import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What one service keeps waiting: its words, its door, and how one is told in a few words.

    `items` is the door to a page of what one holds; it may be that of the one itself.
    """

    noun: str
    service: Service
    where: str
    items: str
    would: Callable[[Page], str]

    @property
    def door(self) -> str:
        return f"/{self.noun}s"

    def id_of(self, one: Page) -> str:
        return str(one[f"{self.noun}Id"])

    def path_to(self, one: str, *more_parts: str) -> str:
        return "/".join((self.door, quote(one, safe=""), *more_parts))


# As many items are shown unless told otherwise, and before a decision.
SHOWN = 20

State = Literal["open", "approved", "rejected", "expired", "all"]
WaitingArgument = Annotated[
    str, typer.Argument(metavar="ID", help="As the list shows it.", callback=one_name)
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def commands_for(kind: Kind, about: str) -> typer.Typer:
    """Return `homeroom <noun>s` with its three further commands."""
    app = typer.Typer(help=about, invoke_without_command=True, context_settings={"obj": kind})
    app.callback()(_page(kind))
    for command in (show, approve, reject):
        app.command()(command)
    return app


def _page(kind: Kind) -> Callable[..., None]:
    """The list, whose option for what something waits for is called as its column is."""
    place_option = typer.Option(f"--{kind.where}", help="Only of this one.")

    def page(
        context: typer.Context,
        district: Annotated[
            str | None, typer.Option("--district", help="Only of this one.")
        ] = None,
        place: Annotated[str | None, place_option] = None,
        state: Annotated[State, typer.Option("--state", help="Only those.")] = "open",
        limit: LimitOption = SHOWN,
        offset: OffsetOption = 0,
        as_json: JsonOption = False,
        folder: FolderOption = None,
        port_base: PortOption = None,
    ) -> None:
        """List what waits for a person."""
        if context.invoked_subcommand is not None:
            return
        query: dict[str, str | int] = {"state": state, "limit": limit, "offset": offset}
        query |= {"district": district} if district is not None else {}
        query |= {kind.where: place} if place is not None else {}
        _list(kind, query, as_json=as_json, folder=folder, port_base=port_base)

    return page


def _list(
    kind: Kind,
    query: Mapping[str, str | int],
    *,
    as_json: bool,
    folder: Path | None,
    port_base: int | None,
) -> None:
    with operator(folder, port_base) as client:
        found = page_of(ask(client, kind.service, kind.door, door=kind.door, **query))
    if as_json:
        print_json(found)
        return
    listed = found[f"{kind.noun}s"]
    if listed:
        columns = (kind.noun, "district", kind.where, "would", "percent", "state", "since", "ends")
        rows = [
            (
                *(kind.id_of(one), one["district"], one[kind.where], kind.would(one)),
                *(one["percent"], one["state"]),
                *(moment(one["createdAt"]), moment(one["expiresAt"])),
            )
            for one in listed
        ]
        print_table(display(), columns, rows)
    far = more(
        f"{kind.noun}s", shown=len(listed), total=found["total"], offset=int(query["offset"])
    )
    display().say(far)


def show(
    context: typer.Context,
    which: WaitingArgument,
    limit: LimitOption = SHOWN,
    offset: OffsetOption = 0,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Show one: counts, limits, approvals, and some of what it holds."""
    kind: Kind = context.obj
    with operator(folder, port_base) as client:
        found = _read(client, kind, which, limit=limit, offset=offset)
    if as_json:
        print_json(found)
    else:
        _show(display(), kind, found, offset=offset)


def approve(
    context: typer.Context,
    which: WaitingArgument,
    yes: YesOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Let it be done, as it is shown now; needs the role approver.

    Above a quarter of all a second, different approver is needed.
    """
    kind: Kind = context.obj
    with operator(folder, port_base) as client:
        found = _shown(client, kind, which)
        if not yes:
            typer.confirm(f"Approve: {kind.would(found)}?", abort=True)
        body = {"itemsHash": found["itemsHash"]}
        after = client.decide(kind.service, kind.path_to(which, "approve"), body)
    if after["state"] == "approved":
        display().good("approved: what is still wanted of it is done now")
    else:
        display().say(f"approvals {_approvals(after)}: another person must approve as well")


def reject(
    context: typer.Context,
    which: WaitingArgument,
    reason: Annotated[
        str | None, typer.Option("--reason", help="A word of small letters, digits and _.")
    ] = None,
    yes: YesOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Let nothing of it be done; needs the role approver."""
    kind: Kind = context.obj
    with operator(folder, port_base) as client:
        found = _shown(client, kind, which)
        if not yes:
            typer.confirm(f"Reject: {kind.would(found)}?", abort=True)
        body = {} if reason is None else {"reason": reason}
        client.decide(kind.service, kind.path_to(which, "reject"), body)
    display().good("rejected: nothing of it is done")


def _read(client: OperatorClient, kind: Kind, which: str, **query: int) -> Page:
    found = page_of(ask(client, kind.service, kind.path_to(which), door=kind.door, **query))
    if "items" in found or found["state"] != "open":
        return found
    path = kind.path_to(which, "items")
    page = ask(client, kind.service, path, door=kind.items, **query).page
    # A service of before has no such page, and shows a sample alone.
    return found if page is None else {**found, "items": page["items"], "total": page["total"]}


def _shown(client: OperatorClient, kind: Kind, which: str) -> Page:
    """Read and show what is about to be decided; raises CommandFailed when it is too late."""
    found = _read(client, kind, which, limit=SHOWN)
    _show(display(), kind, found, offset=0)
    if found["state"] != "open":
        raise CommandFailed(f"this {kind.noun} is {found['state']}: {ADVICE['ended']}")
    return found


def _show(screen: Display, kind: Kind, found: Page, *, offset: int) -> None:
    facts = {
        kind.noun: kind.id_of(found),
        "state": found["state"],
        "district": found["district"],
        kind.where: found[kind.where],
        "would": kind.would(found),
        "that is": f"{cell(found['percent'])} % of {cell(found['population'])}",
        "without asking": _limit(found),
        "approvals": _approvals(found),
        "since": moment(found["createdAt"]),
        "ends by itself": moment(found["expiresAt"]),
        "ended": moment(found.get("endedAt")),
        "reason": found.get("reason"),
        "run": found.get("runId"),
        "cause": found.get("correlationId"),
        "hash": found["itemsHash"],
    }
    width = max(map(len, facts))
    for name, value in facts.items():
        if value is not None:
            screen.say(f"{name.ljust(width)}  {cell(value)}")
    _show_items(screen, found, offset=offset)


def _show_items(screen: Display, found: Page, *, offset: int) -> None:
    """Print a page of items where there is one, else the sample: ids, or rows of named parts."""
    items = found["items"] if "items" in found else found["sample"]
    if items and isinstance(items[0], dict):
        columns = tuple(items[0])
        print_table(screen, columns, [[item.get(name) for name in columns] for item in items])
    elif items:
        screen.say(cell(items))
    if "items" in found:
        total = found["total"] if "total" in found else found["count"]
        screen.say(more("items", shown=len(items), total=total, offset=offset))
    else:
        screen.say(f"a sample of {len(items):,} of {found['count']:,}")


def _limit(found: Page) -> str | None:
    """Say the guard's limit; a first connection has none."""
    if found["limit"] is None:
        return None
    return f"{cell(found['limit'])} ({cell(found['limitPercent'])} %) in 24 hours"


def _approvals(found: Page) -> str:
    given = found["approvals"]
    by = f" ({', '.join(map(cell, given))})" if given else ""
    return f"{len(given)} of {found['approvalsNeeded']}{by}"
