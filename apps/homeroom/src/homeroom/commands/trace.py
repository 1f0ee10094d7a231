"""`homeroom trace`: every copy of a person, or all that a delivery caused, over all services."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from homeroom.commands.asking import (
    Answer,
    ask_all,
    exit_code,
    operator,
    say_silences,
    silences,
)
from homeroom.commands.options import FolderOption, PortOption, display, one_name
from homeroom.commands.tables import JsonOption, moment, print_json, print_table
from homeroom.display import Display

PEOPLE, DELIVERIES = "/trace/people/{person_id}", "/trace/{correlation_id}"
# More of one delivery are not told by a service (`roster_common/runtime/trace.py`).
MOST_STEPS = 1_000

Entry = dict[str, Any]


def trace(
    person: Annotated[str | None, typer.Argument(help="Our id of a person.")] = None,
    delivery: Annotated[
        str | None,
        typer.Option("--delivery", help="A correlation id instead of a person.", callback=one_name),
    ] = None,
    district: Annotated[str | None, typer.Option("--district", help="Only in this one.")] = None,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Show every copy of PERSON with time and cause, or what a delivery caused, as a timeline.

    Exit code 1 when nobody knows of it, 3 when a service did not answer and more may stand there.
    """
    if (person is None) == (delivery is None):
        raise typer.BadParameter("give a PERSON or --delivery CORRELATION")
    query = {} if district is None else {"district": district}
    with operator(folder, port_base) as client:
        if person is not None:
            path = f"/trace/people/{quote(person, safe='')}"
            answers = ask_all(client, path, door=PEOPLE, **query)
        else:
            path = f"/trace/{quote(str(delivery), safe='')}"
            answers = ask_all(client, path, door=DELIVERIES)
    screen = display()
    if person is not None:
        found = _joined(answers, "copies", district)
        _show_copies(screen, person, found, answers, as_json=as_json)
    else:
        found = _timeline(_joined(answers, "steps", district))
        _show_steps(screen, str(delivery), found, answers, as_json=as_json)
    raise typer.Exit(exit_code(answers, found=bool(found)))


def _joined(answers: Sequence[Answer], name: str, district: str | None) -> list[Entry]:
    return [
        {"service": answer.service.name, **entry}
        for answer in answers
        if answer.page is not None
        for entry in answer.page[name]
        if district in (None, entry["district"])
    ]


def _timeline(steps: Sequence[Entry]) -> list[Entry]:
    """Order by time, at equal times by the flow; `ms` counts from the first."""
    timed = sorted(
        ((datetime.fromisoformat(step["at"]), step) for step in steps), key=lambda pair: pair[0]
    )
    return [
        {"ms": round((at - timed[0][0]).total_seconds() * 1000, 1), **step} for at, step in timed
    ]


def _show_copies(
    screen: Display, person: str, copies: list[Entry], answers: Sequence[Answer], *, as_json: bool
) -> None:
    if as_json:
        page = {"personId": person, "copies": copies, "withoutAnswer": silences(answers)}
        print_json(page)
        return
    if copies:
        columns = ("service", "kind", "where", "district", "state", "time", "cause", "id", "detail")
        rows = [
            (
                *(copy[name] for name in ("service", "kind", "where", "district", "state")),
                moment(copy["at"]),
                *(copy[name] for name in ("correlationId", "id", "detail")),
            )
            for copy in copies
        ]
        print_table(screen, columns, rows)
    else:
        screen.say("no service that answered has a copy of this person")
    say_silences(screen, answers)


def _show_steps(
    screen: Display, delivery: str, steps: list[Entry], answers: Sequence[Answer], *, as_json: bool
) -> None:
    if as_json:
        page = {"correlationId": delivery, "steps": steps, "withoutAnswer": silences(answers)}
        print_json(page)
        return
    if steps:
        screen.say(f"first step at {moment(steps[0]['at'])}")
        columns = ("ms", "service", "what", "district", "count", "ids", "detail")
        print_table(screen, columns, [[step[name] for name in columns] for step in steps])
    else:
        screen.say("no service that answered knows of this delivery")
    for answer in answers:
        if answer.page is not None and len(answer.page["steps"]) >= MOST_STEPS:
            screen.say(f"{answer.service.name} tells of the first {MOST_STEPS:,} steps only")
    say_silences(screen, answers)
