"""Which outside ids mean which of ours: look, merge, split, undo, and what is suggested.

A decision is tried first and shown; what is sent then carries its hash, so it does exactly that or
nothing (ADR 0014). Ids and counts only, never a name.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from homeroom.commands.asking import ask, operator, page_of
from homeroom.commands.deciding import Manner, agreed, decision
from homeroom.commands.options import FolderOption, PortOption, display
from homeroom.commands.tables import (
    JsonOption,
    LimitOption,
    OffsetOption,
    moment,
    more,
    print_json,
    print_table,
)
from homeroom.operator_client import LONG_S, Page
from homeroom.services import SIS_INGEST

DOOR = "/crosswalk"
SUGGESTIONS = f"{DOOR}/suggestions"
SHOWN = 20

Entity = Literal["org", "academicSession", "course", "class", "user", "enrollment"]
EntityOption = Annotated[Entity, typer.Option("--entity", help="What the ids are of.")]
DistrictOption = Annotated[str, typer.Option("--district", help="Whose ids they are.")]
SuggestionArgument = Annotated[str, typer.Argument(metavar="ID", help="As the list shows it.")]

app = typer.Typer(
    help="Ids of ours that may be one, for a person to say.", invoke_without_command=True
)


def crosswalk(
    person: Annotated[str, typer.Argument(help="Our id.")],
    district: DistrictOption,
    entity: EntityOption = "user",
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Show every outside id that ever meant PERSON, from when to when, and who said so."""
    query = {"district": district, "entity": entity, "id": person}
    with operator(folder, port_base) as client:
        found = page_of(ask(client, SIS_INGEST, DOOR, door=DOOR, **query))
    if as_json:
        print_json(found)
        return
    columns = ("source", "outside", "id", "rule", "by", "from", "to", "decision")
    rows = [
        (
            *(one[name] for name in ("source", "externalId", "id", "matchRule", "decidedBy")),
            *(moment(one["validFrom"]), moment(one["validTo"]), one.get("decisionId")),
        )
        for one in found["outsideIds"]
    ]
    if not rows:
        display().say("no outside id ever meant this one")
        raise typer.Exit(1)
    print_table(display(), columns, rows)


@decision
def merge(
    keep: Annotated[str, typer.Argument(help="Our id that stays.")],
    merge: Annotated[str, typer.Argument(help="Our id that ends.")],
    district: DistrictOption,
    entity: EntityOption = "user",
    *,
    manner: Manner,
) -> None:
    """Say that two of our ids are one, as it is shown first; needs the role approver.

    What meant MERGE means KEEP from then on, and all that carried MERGE is told again; `undo` takes
    it back. With --entity org that is everything that belongs to the school.
    """
    body = {"district": district, "entity": entity, "keep": keep, "merge": merge}
    _decide(f"{DOOR}/merge", body, manner)


@decision
def split(
    ours: Annotated[str, typer.Argument(metavar="ID", help="Our id that they leave.")],
    outside: Annotated[
        list[str], typer.Option("--outside", help="SOURCE:EXTERNAL_ID; may be repeated.")
    ],
    district: DistrictOption,
    entity: EntityOption = "user",
    *,
    manner: Manner,
) -> None:
    """Give outside ids an id of their own, as it is shown first; needs the role approver."""
    given = [one.partition(":") for one in outside]
    if not all(source and external for source, _, external in given):
        raise typer.BadParameter("write --outside SOURCE:EXTERNAL_ID")
    named = [{"source": source, "externalId": external} for source, _, external in given]
    body = {"district": district, "entity": entity, "id": ours, "outside": named}
    _decide(f"{DOOR}/split", body, manner)


@decision
def undo(
    which: Annotated[
        str,
        typer.Argument(metavar="DECISION", help="Of a merge or a split, as `crosswalk` shows."),
    ],
    *,
    manner: Manner,
) -> None:
    """Take back a merge or a split that nothing touched since; needs the role approver."""
    _decide(f"{DOOR}/undo", {"decisionId": which}, manner)


@app.callback()
def suggestions(
    context: typer.Context,
    district: Annotated[str | None, typer.Option("--district", help="Only of this one.")] = None,
    state: Annotated[
        Literal["open", "confirmed", "dismissed", "all"],
        typer.Option("--state", help="Only those."),
    ] = "open",
    limit: LimitOption = SHOWN,
    offset: OffsetOption = 0,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """List pairs of ids that may be one, newest first; nothing is linked by a suggestion."""
    if context.invoked_subcommand is not None:
        return
    query: dict[str, str | int] = {"state": state, "limit": limit, "offset": offset}
    if district is not None:
        query["district"] = district
    with operator(folder, port_base) as client:
        found = page_of(ask(client, SIS_INGEST, SUGGESTIONS, door=SUGGESTIONS, **query))
    if as_json:
        print_json(found)
        return
    listed = found["suggestions"]
    if listed:
        names = ("suggestionId", "district", "entity", "id", "otherId", "matchRule", "score")
        columns = ("suggestion", "district", "entity", "id", "other", "rule", "score", "state")
        rows = [(*(one[name] for name in names), one["state"]) for one in listed]
        print_table(
            display(),
            (*columns, "since"),
            [(*row, moment(one["suggestedAt"])) for row, one in zip(rows, listed, strict=True)],
        )
    display().say(more("suggestions", shown=len(listed), total=found["total"], offset=offset))


@app.command()
@decision
def confirm(
    which: SuggestionArgument,
    keep: Annotated[
        str | None, typer.Option("--keep", help="The id that stays.", show_default="the older")
    ] = None,
    *,
    manner: Manner,
) -> None:
    """Say that the two are one, and merge them as it is shown first; needs the role approver."""
    body = {} if keep is None else {"keep": keep}
    moves = _decide(_path(which, "confirm"), body, manner)
    if not moves and not manner.dry_run:
        # They became one some other way; said so, the pair is not listed any more.
        with operator(manner.folder, manner.port_base) as client:
            client.decide(SIS_INGEST, _path(which, "confirm"), body)
        if not manner.as_json:
            display().good("confirmed: the two are one already")


@app.command()
def dismiss(
    which: SuggestionArgument,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Say that the two are two; they are not suggested again. Needs the role approver."""
    with operator(folder, port_base) as client:
        client.decide(SIS_INGEST, _path(which, "dismiss"), {})
    display().good("dismissed: the two stay two")


def _decide(path: str, body: dict[str, Any], manner: Manner) -> bool:
    """Try it, show it, ask, and do exactly what was shown; whether there was anything to do."""
    with operator(manner.folder, manner.port_base) as client:
        plan = client.decide(SIS_INGEST, f"{path}?dryRun=true", body, timeout_s=LONG_S)
        moves = len(plan["moves"])
        question = f"Move {moves:,} outside ids?" if moves else None
        if agreed(manner, plan=plan, show=_show, question=question):
            wish = {**body, "itemsHash": plan["itemsHash"]}
            done = client.decide(SIS_INGEST, path, wish, timeout_s=LONG_S)
            if manner.as_json:
                print_json(done)
            else:
                display().good(f"done, decision {done['decisionId']}")
    return bool(moves)


def _show(plan: Page) -> None:
    screen = display()
    if not plan["moves"]:
        screen.say("nothing to do: it was done before")
        return
    _table(plan["moves"], ("source", "externalId", "from", "to"))
    shown = plan["touched"][:SHOWN]
    if shown:
        _table(shown, ("entity", "id", "action"))
    for action, counts in sorted(plan.get("counts", {}).items()):
        told = ", ".join(f"{count:,} {entity}" for entity, count in sorted(counts.items()))
        screen.say(f"{'removed' if action == 'tobedeleted' else 'told again'}: {told}")
    screen.say(f"{len(shown):,} of {plan['count']:,} records that are told again")


def _table(rows: Sequence[Page], columns: Sequence[str]) -> None:
    print_table(display(), columns, [[row[name] for name in columns] for row in rows])


def _path(suggestion_id: str, verb: str) -> str:
    return f"{SUGGESTIONS}/{quote(suggestion_id, safe='')}/{verb}"
