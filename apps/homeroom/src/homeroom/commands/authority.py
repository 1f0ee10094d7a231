"""`homeroom authority`: which of several sources speaks for which school, and how it passes on.

What would be added, changed and removed for everybody else is shown before anything is done.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from threading import Event, Thread
from typing import Annotated

import httpx2
import typer

from homeroom.commands.asking import ask, operator, page_of
from homeroom.commands.deciding import Manner, agreed, decision
from homeroom.commands.options import FolderOption, PortOption, display
from homeroom.commands.tables import JsonOption, moment, print_json, print_table
from homeroom.display import Advance, Display
from homeroom.errors import CommandFailed
from homeroom.operator_client import OperatorClient, Page
from homeroom.services import SIS_INGEST

DOOR = "/authority"
_LOOK_EVERY_S = 1.0

DistrictOption = Annotated[str, typer.Option("--district", help="The district.")]
SchoolOption = Annotated[
    str | None, typer.Option("--school", help="One school, by our id; else the district's line.")
]

app = typer.Typer(help="Which of several sources speaks for which school.", no_args_is_help=True)


@app.command()
def show(
    district: DistrictOption,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Show the source of the district and of each school, and what is silent."""
    with operator(folder, port_base) as client:
        found = page_of(ask(client, SIS_INGEST, DOOR, door=DOOR, district=district))
    if as_json:
        print_json(found)
        return
    screen = display()
    lines = {"the district": found["default"], **{one["school"]: one for one in found["schools"]}}
    rows = [
        (place, one["source"], _whose(one), moment(one["since"]), one["decidedBy"])
        for place, one in lines.items()
    ]
    print_table(screen, ("place", "source", "line", "since", "by"), rows)
    for source, counts in sorted(found["silent"].items()):
        told = ", ".join(f"{count:,} {entity}" for entity, count in counts.items())
        screen.say(f"silent in {source}: {told}")
    if (flip := found["flip"]) is not None:
        where = flip["school"] or "the district"
        order = f"a flip of {where} to {flip['source'] or 'no source of its own'}"
        if flip.get("retells"):
            order = "telling every record again, by who speaks today,"
        what = "waits in hold " + flip["holdId"] if flip["holdId"] else "is under way"
        screen.say(f"{order} {what}")


@app.command(name="set")
@decision
def set_source(
    source: Annotated[str, typer.Argument(help="The source that shall speak.")],
    district: DistrictOption,
    school: SchoolOption = None,
    *,
    manner: Manner,
) -> None:
    """Give a school, or the district, to SOURCE, as it is shown first; needs the role approver.

    Below the limits the records that differ are told again at once; above them it waits as a hold.
    """
    _flip({"district": district, "school": school, "source": source}, manner)


@app.command()
@decision
def clear(district: DistrictOption, school: SchoolOption = None, *, manner: Manner) -> None:
    """Take the line of a school, or of the district, away; needs the role approver.

    A school then has the district's source; a district without one has whom it knew first.
    """
    _flip({"district": district, "school": school, "source": None}, manner)


def _whose(line: Page) -> str | None:
    if line["own"]:
        return "own"
    return None if line["source"] is None else "the district's"


def _flip(body: Page, manner: Manner) -> None:
    typer.echo("weighing: every record of the district is read", err=True)
    with operator(manner.folder, manner.port_base) as client:
        with nullcontext() if manner.as_json else _weighing(client, str(body["district"])):
            plan = client.flip(body, dry_run=True)
        question = "Do it?" if plan["state"] == "planned" else None
        if not agreed(manner, plan=plan, show=_show, question=question):
            return
        done = client.flip({**body, "itemsHash": plan["itemsHash"]})
    if manner.as_json:
        print_json(done)
    else:
        _tell(display(), done)


@contextmanager
def _weighing(client: OperatorClient, district: str) -> Iterator[None]:
    """Show how far the service is, until the block ends; it may take minutes."""
    over = Event()

    def follow(advance: Advance) -> None:
        while not over.wait(_LOOK_EVERY_S):
            # What is only shown ends nothing: a service of before has no such page.
            with suppress(httpx2.HTTPError, CommandFailed):
                far = client.read(SIS_INGEST, f"{DOOR}/weighing", district=district)["weighing"]
                if far is not None:
                    advance(int(far["read"]), int(far["of"]))

    with display().bar("records weighed") as advance:
        looking = Thread(target=follow, args=(advance,), daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()


def _tell(screen: Display, done: Page) -> None:
    if done["state"] == "held":
        screen.say(f"waits for approval: homeroom holds show {done['holdId']}")
    elif done["state"] != "under_way":
        screen.say(f"nothing was done: it is {done['state'].replace('_', ' ')}")
    else:
        screen.good("laid down: the records that differ are told again now")


def _show(plan: Page) -> None:
    screen = display()
    columns = ("record", "known", "add", "change", "remove", "key change")
    names = ("population", "add", "change", "remove", "keyChange")
    rows = [
        (entity, *(counts[name] for name in names))
        for entity, counts in plan["differences"].items()
    ]
    if plan["state"] != "planned":
        screen.say(f"nothing to do: it is {plan['state'].replace('_', ' ')}")
        return
    print_table(screen, columns, rows)
    for entity, counts in plan["differences"].items():
        for action in ("add", "change", "remove"):
            if ids := counts["sample"][action]:
                screen.say(f"{action} {entity}: {' '.join(ids)}")
    if plan["stopped"]:
        screen.bad(f"over the limit, so it would wait: {', '.join(plan['stopped'])}")
    screen.say(f"hash {plan['itemsHash']}")
