"""Following what sis-ingest does by itself, to its end: a run, a pull, a replay.

It goes on whatever becomes of the command, and a restart of the service is waited out.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Annotated, Final
from urllib.parse import quote

import typer

from homeroom.commands.options import bar
from homeroom.operator_client import OperatorClient, Page
from homeroom.patience import Patience
from homeroom.services import SIS_INGEST
from homeroom.waiting import wait_for

POLL_S = 0.2
# How long the service may be away meanwhile: a restart with room to spare.
RESTART_S = 60.0
WITHIN_S = 3_600.0
WithinOption = Annotated[
    float,
    typer.Option("--within-s", min=0, help="Seconds to wait for the end; the work goes on."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One kind of work: its noun, its pages below `door`, what is counted, and when it is over.

    `done` gives (how many are done, of how many) for the bar that is named `counted`.
    """

    noun: str
    door: str
    counted: str
    done: Callable[[Page], tuple[int, int]]
    ended: Callable[[Page], bool]


def _items(pull: Page) -> tuple[int, int]:
    totals = (one["total"] or one["items"] for one in pull["sections"].values())
    return int(pull["items"]), max(sum(totals), int(pull["items"]), 1)


RUN: Final = Work(
    noun="run",
    door="/snapshots",
    counted="percent",
    done=lambda run: (int(run["percent"]), 100),
    ended=lambda run: run["state"] in {"completed", "failed", "refused"},
)
PULL: Final = Work(
    noun="pull",
    door="/pulls",
    counted="items read",
    done=_items,
    ended=lambda pull: pull["state"] in {"completed", "failed"},
)
REPLAY: Final = Work(
    noun="replay",
    door="/replay",
    counted="deliveries",
    done=lambda replay: (replay["read"], max(replay["total"], 1)),
    ended=lambda replay: bool(replay["finishedAt"]),
)


def follow(
    client: OperatorClient, work: Work, work_id: str, *, within_s: float, silent: bool
) -> Page:
    """Return its page at its end; `silent` shows no bar. Raises TookTooLong after `within_s`."""
    asking = closing(replace(client, patience=Patience(within_s=RESTART_S)))
    path = f"{work.door}/{quote(work_id, safe='')}"
    with asking as patient, bar(work.counted, silent=silent) as advance:

        def look() -> Page | None:
            """The page if that was its last word."""
            page = patient.read(SIS_INGEST, path)
            advance(*work.done(page))
            return page if work.ended(page) else None

        return wait_for(
            f"the end of {work.noun} {work_id}", look, within_s=within_s, every_s=POLL_S
        )


def say_begun(work: Work, work_id: str, *, again: str) -> None:
    """Say on standard error that it goes on from here, and the command that finds it again."""
    typer.echo(f"{work.noun} {work_id} is stored; homeroom {again} {work_id} follows it", err=True)
