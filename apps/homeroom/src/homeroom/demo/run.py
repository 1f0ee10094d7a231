"""Runs the demo from nothing to its evidence, and names the step that failed.

The outermost room of the demo: here alone every exception ends, as an exit code and a line.
"""

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homeroom.box import Box, running_box
from homeroom.demo.chapter import LOG, PLACES, ROSTER, SHORT
from homeroom.demo.district import school_year_of
from homeroom.demo.evidence import Evidence
from homeroom.demo.neighbours import outside_of
from homeroom.demo.scenario import make_district, tell, tell_with_clerk
from homeroom.display import Display
from homeroom.emulated import Face
from homeroom.failure import explain
from homeroom.journal import Journal
from homeroom.layout import Layout, Ports
from homeroom.services import PROCESSES
from homeroom.signals import Stopped, stoppable
from roster_common.runtime.clock import SystemClock

INTERRUPTED = 130
# A chapter that was followed from place to place has one of these.
FOLLOWED = frozenset({LOG, ROSTER})


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """One run. `file` replaces the made-up district by a OneRoster zip made by others.

    With a `face` the district stands in an emulated SIS of that product.
    """

    layout: Layout
    ports: Ports
    students: int
    with_kafka: bool
    file: Path | None = None
    face: Face | None = None


def run_demo(options: DemoOptions, display: Display) -> int:
    """Run it all; returns the exit code: 0, 1 with the failed step named, or 130 if interrupted."""
    journal = Journal(display=display)
    evidence = Evidence(file=options.layout.evidence, began=SystemClock().now())
    try:
        with (
            stoppable(),
            running_box(
                layout=options.layout,
                ports=options.ports,
                journal=journal,
                with_kafka=options.with_kafka,
                face=options.face,
                students=options.students,
            ) as box,
        ):
            _tell(box, options, evidence)
        evidence.ended_well = True
    except Stopped:
        display.bad("interrupted")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost room: named, with an exit code
        explain(display, journal, error)
        return 1
    finally:
        evidence.write(journal)
    _summary(display, evidence.found, options)
    return 0


def district_file(options: DemoOptions, journal: Journal) -> Path:
    """Return the zip to load: the one given, or a made-up district of this school year."""
    if options.file is not None:
        return options.file
    file = options.layout.district_zip
    year = school_year_of(SystemClock().now().date())
    make_district(journal, students=options.students, school_year=year, file=file)
    return file


def _tell(box: Box, options: DemoOptions, evidence: Evidence) -> None:
    with closing(outside_of(box)) as outside:
        evidence.found = outside.found
        evidence.add_parts(box)
        if outside.office is not None:
            tell_with_clerk(outside, outside.office)
        else:
            file = district_file(options, box.journal)
            tell(outside, file=file, scratch=options.layout.data)
        _everything_runs(box)
        evidence.add_counterparts(box, outside)


def _everything_runs(box: Box) -> None:
    """Whatever was killed meanwhile is back, also where nobody had to wait for it."""
    with box.journal.step("every process is ready") as step:
        for service in PROCESSES:
            box.supervisor.wait_ready(service)
        again = sum(box.supervisor.restarts().values())
        step.detail = f"{len(PROCESSES)} processes, started again {again} times"


def _summary(display: Display, found: Mapping[str, Any], options: DemoOptions) -> None:
    display.say()
    timelines(display, found.get("chapters", {}))
    display.say(f"evidence: {options.layout.evidence}")
    left_out = len(found.get("leftOut", ()))
    but = f"; {left_out} left out, as said above" if left_out else ""
    display.good(f"OK: every step ended as it should{but}")


def timelines(display: Display, chapters: Mapping[str, Any]) -> None:
    """Print one row for each chapter that was followed from place to place."""
    told = {key: one["ms"] for key, one in chapters.items() if one["ms"].keys() & FOLLOWED}
    places = [place for place in PLACES if any(place in ms for ms in told.values())]
    rows = [
        (_words(key), *(f"{ms[place]:,.0f}" if place in ms else "" for place in places))
        for key, ms in told.items()
    ]
    title = "Milliseconds from the change to what an outsider saw"
    columns = [SHORT[place] for place in places]
    display.table(title, ("change", *columns), rows, numbers=columns)


def _words(key: str) -> str:
    return re.sub("([A-Z])", lambda letter: f" {letter[0].lower()}", key)
