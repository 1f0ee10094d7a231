"""`homeroom up`: the same start as the demo, and then it stays until it is told to stop."""

from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from homeroom import installation
from homeroom.box import Box, running_box
from homeroom.commands.demo import (
    DEFAULT_STUDENTS,
    KafkaOption,
    Source,
    SourceOption,
    face_of,
)
from homeroom.commands.options import FolderOption, PortOption, display, layout_of, ports_of
from homeroom.demo.first_load import load_district
from homeroom.demo.first_pull import read_district
from homeroom.demo.neighbours import outside_of
from homeroom.demo.run import DemoOptions, district_file
from homeroom.display import Display
from homeroom.failure import explain
from homeroom.given import Given
from homeroom.journal import Journal
from homeroom.layout import local_url
from homeroom.services import SERVICES
from homeroom.settings import FOR_ANY_RUN, given_variables
from homeroom.signals import Stopped, stoppable


def up(
    students: Annotated[
        int,
        typer.Option(
            "--students", min=0, max=100_000, envvar="DISTRICT",
            help="Size of the made-up district; 0 starts empty.",
        ),
    ] = DEFAULT_STUDENTS,
    kafka: KafkaOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
    file: Annotated[
        Path | None,
        typer.Option("--zip", exists=True, dir_okay=False, help="A OneRoster zip to load instead."),
    ] = None,
    source: SourceOption = Source.GENERIC,
) -> None:  # fmt: skip
    """Start everything from nothing, load a district, print addresses and credentials, and stay.

    What an earlier run left in the folder is thrown away. Settings of services in the environment
    count beside the demo's own (docs/cli.md).
    """
    face = face_of(source, students=students, file=file)
    options = DemoOptions(
        layout=layout_of(folder),
        ports=ports_of(port_base),
        students=students,
        with_kafka=kafka,
        file=file,
        face=face,
    )
    screen = display()
    journal = Journal(display=screen)
    try:
        with (
            stoppable(),
            running_box(
                layout=options.layout,
                ports=options.ports,
                journal=journal,
                with_kafka=kafka,
                given=Given(variables=given_variables()),
                face=face,
                students=students,
            ) as box,
        ):
            if students or file is not None:
                _load(box, options)
            _addresses(box, screen)
            _stay()
    except Stopped:
        screen.say("stopped")
    except Exception as error:  # noqa: BLE001 - the outermost room: named, with an exit code
        explain(screen, journal, error)
        raise typer.Exit(1) from None


def _load(box: Box, options: DemoOptions) -> None:
    with closing(outside_of(box)) as outside:
        if outside.office is not None:
            read_district(outside, outside.office)
            return
        load_district(outside, district_file(options, box.journal))


def _addresses(box: Box, screen: Display) -> None:
    rows = [(s.name, f"{local_url(box.ports.of(s.offset))}/docs") for s in SERVICES]
    rows.append(("SCIM directory", box.started().scim_url))
    if box.emulator is not None:
        rows.append((str(box.emulator), box.emulator.told["url"]))
    screen.say()
    screen.table("Homeroom is up (Ctrl-C stops it)", ("what", "address"), rows)
    emulated = box.started().emulated is not None
    credentials = (
        # An emulated SIS knows its own, and nobody else is to speak for its district.
        *(
            []
            if emulated
            else [("webhook source", installation.SOURCE, installation.WEBHOOK_SECRET)]
        ),
        ("desk webhook", installation.DESK, installation.DESK_SECRET),
        ("OAuth 2 client", installation.VENDOR, installation.VENDOR_SECRET),
        ("OAuth 2 client", installation.ONE_SCHOOL, installation.ONE_SCHOOL_SECRET),
        ("OAuth 2 client", installation.AGREED, installation.AGREED_SECRET),
        ("SCIM bearer token", installation.TARGET, box.started().scim_token),
    )
    given = sorted(box.started().from_outside() - FOR_ANY_RUN)
    if given:
        screen.say(f"from the environment, beside these: {', '.join(given)}")
    title = "Demo credentials; production refuses them"
    screen.table(title, ("what", "name", "secret"), credentials)
    screen.say(f"operator token ({box.layout.token}):")
    screen.say(box.operator_token)


def _stay() -> None:
    """Wait for a signal; the supervisor starts again what ends meanwhile."""
    Event().wait()
