"""The export that was cut short: a file that lacks many students must take nobody away.

The file speaks of the moment of the first load, as last night's export would: what webhooks said
since then is newer and stays.
"""

from pathlib import Path
from time import perf_counter
from typing import Any

from homeroom.demo import first_load
from homeroom.demo.archive import lacking, student_ids
from homeroom.demo.chapter import ACCEPTED
from homeroom.demo.outside import Outside
from homeroom.demo.outsiders.office import Office
from homeroom.demo.settling import settle
from homeroom.errors import CommandFailed
from homeroom.installation import DISTRICT, SOURCE
from homeroom.journal import Step
from homeroom.operator_client import Page
from homeroom.services import SIS_INGEST
from homeroom.waiting import wait_for

# More than may go without asking (ADR 0012), and some stay.
FEWEST = 26
HELD, STILL, REJECTED, STILL_AGAIN = (
    "held", "roster and directory unchanged", "rejected", "still unchanged",
)  # fmt: skip
ENTITY = "user"
TITLE = "An export lacks a third of the students"
CLERK_TITLE = "A third of the students is withdrawn by mistake"
# A PowerSchool is asked for each record by itself.
HELD_WITHIN_S = 600.0


def lose_a_third(outside: Outside, file: Path, *, shrunken: Path) -> None:
    """Post `file` without a third of its students; nothing may change, now and after a no."""
    students = student_ids(file)
    count = max(FEWEST, len(students) // 3)
    if count >= len(students):
        outside.leave_out(TITLE, f"{len(students)} students are too few to lose {count} of them")
        return
    # From the end: those at the beginning were in the chapters, and newer webhooks protect them.
    lacking(file, shrunken, set(students[-count:]))
    found: dict[str, Any] = {"title": TITLE, "lacking": count, "ms": {}}
    outside.found["chapters"]["massWithdrawal"] = found
    outside.journal.display.say(f"\n  {len(outside.found['chapters'])}. {TITLE}")
    settle(outside)
    before = _state(outside)
    told = _Telling(outside, found)
    run = _post(outside, shrunken)
    told.end(ACCEPTED, f"{count:,} of {len(students):,} students are not in it")
    found["runId"], found["correlationId"] = run["runId"], run["correlationId"]
    report = first_load.follow_run(outside, str(run["runId"]))
    found["removals"] = report["removals"]
    _held_then_rejected(outside, told, found, before, count)


def withdraw_a_third(outside: Outside, office: Office) -> None:
    """The clerk withdraws a third of the students; what reaches us waits, and gets a no."""
    students = len(office.enrolled())
    share = max(FEWEST + 1, students // 3) / students
    if share >= 1:
        outside.leave_out(CLERK_TITLE, f"{students} students are too few")
        return
    if office.emulated.hints:
        # One by one they would be let through up to the limit; read together they all wait.
        office.lose_notifications()
    found: dict[str, Any] = {"title": CLERK_TITLE, "ms": {}}
    outside.found["chapters"]["massWithdrawal"] = found
    outside.journal.display.say(f"\n  {len(outside.found['chapters'])}. {CLERK_TITLE}")
    settle(outside)
    before = _state(outside)
    told = _Telling(outside, found)
    count = len(office.ids(office.withdraw(share)))
    found["lacking"] = count
    told.end(ACCEPTED, f"{count:,} of {students:,} students, typed by the clerk")
    if office.emulated.hints:
        outside.operator.decide(SIS_INGEST, f"/pulls/{SOURCE}?mode=delta", {})
    hold = wait_for(
        "a hold of the students",
        lambda: _of_students(_open_holds(outside), count),
        within_s=HELD_WITHIN_S,
        check=outside.check,
    )
    report = first_load.follow_run(outside, str(hold["runId"]))
    found["runId"], found["removals"] = hold["runId"], report["removals"]
    _held_then_rejected(outside, told, found, before, count)


def _of_students(holds: list[Page], count: int) -> Page | None:
    return next((h for h in holds if h["entity"] == ENTITY and h["count"] == count), None)


def _held_then_rejected(
    outside: Outside,
    told: "_Telling",
    found: dict[str, Any],
    before: tuple[str, int],
    count: int,
) -> None:
    """All of it waits in holds and nothing changed; nor does anything after an operator's no."""
    holds = _open_holds(outside)
    found["holds"] = [
        {name: hold[name] for name in ("holdId", "entity", "operation", "count", "percent")}
        for hold in holds
    ]
    if _of_students(holds, count) is None:
        raise CommandFailed(f"no open hold names the {count} students")
    told.end(HELD, ", ".join(f"{h['count']:,} {h['entity']} ({h['percent']:g} %)" for h in holds))
    _unchanged(outside, before)
    told.end(STILL, _words(before))
    for hold in holds:
        _reject(outside, f"/holds/{hold['holdId']}")
    if _open_holds(outside):
        raise CommandFailed("a rejected hold is still open")
    told.end(REJECTED, f"{len(holds)} holds, by an operator")
    _unchanged(outside, before)
    told.end(STILL_AGAIN, "nobody was taken away")
    found["revision"], found["directoryWrites"] = before


class _Telling:
    """Lines with milliseconds since the file was sent."""

    def __init__(self, outside: Outside, found: dict[str, Any]) -> None:
        self._outside, self._found, self._began = outside, found, perf_counter()
        self._next(ACCEPTED)

    def end(self, place: str, detail: str) -> None:
        ms = (perf_counter() - self._began) * 1000
        self._found["ms"][place] = round(ms, 1)
        step = Step(name=f"{TITLE}: {place}", owner=SIS_INGEST.name, detail=detail, ms=ms)
        self._outside.journal.end(step, shown=place)
        self._next(f"after {place}")

    def _next(self, place: str) -> None:
        self._outside.journal.current = Step(name=f"{TITLE}: {place}", owner=SIS_INGEST.name)


def _post(outside: Outside, shrunken: Path) -> Page:
    as_of = None if outside.loaded_at is None else outside.loaded_at.isoformat()
    return outside.operator.upload(SOURCE, shrunken, on_bytes=lambda _sent: None, as_of=as_of)


def _open_holds(outside: Outside) -> list[Page]:
    holds: list[Page] = outside.operator.read(
        SIS_INGEST, "/holds", district=DISTRICT, state="open"
    )["holds"]
    return holds


def _reject(outside: Outside, hold: str) -> None:
    """Say no; a no whose answer was lost with its service is refused when said again."""
    try:
        outside.operator.decide(SIS_INGEST, f"{hold}/reject", {})
    except CommandFailed:
        if outside.operator.read(SIS_INGEST, hold)["state"] != "rejected":
            raise


def _state(outside: Outside) -> tuple[str, int]:
    """The roster's revision, and how often the directory was written to by its own log."""
    return outside.vendor.revision(), outside.directory_writes()


def _unchanged(outside: Outside, before: tuple[str, int]) -> None:
    settle(outside)
    now = _state(outside)
    if now != before:
        raise CommandFailed(f"{_words(before)} before, and {_words(now)} after")


def _words(state: tuple[str, int]) -> str:
    return f"revision {state[0]}, {state[1]:,} writes in the directory's log"
