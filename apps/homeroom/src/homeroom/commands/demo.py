"""`homeroom demo`: the whole way of a district, start to evidence, and an honest exit code."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from homeroom.commands.options import FolderOption, PortOption, display, layout_of, ports_of
from homeroom.demo.run import DemoOptions, run_demo
from homeroom.emulated import FACES, MOST_STUDENTS, Face
from homeroom.errors import CommandFailed

DEFAULT_STUDENTS = 1_500
FEWEST_STUDENTS = 26
StudentsOption = Annotated[
    int,
    typer.Option(
        "--students",
        min=FEWEST_STUDENTS,
        max=100_000,
        envvar="DISTRICT",
        help="Size of the made-up district.",
    ),
]
KafkaOption = Annotated[
    bool, typer.Option("--kafka", envvar="KAFKA", help="Carry the log over a real Kafka.")
]


class Source(StrEnum):
    """Where the district stands: files and webhooks of a generic SIS, or an emulated product."""

    GENERIC = "generic"
    POWERSCHOOL = "powerschool"
    INFINITE_CAMPUS = "infinitecampus"


SourceOption = Annotated[
    Source,
    typer.Option(
        "--source",
        envvar="SOURCE",
        help="The SIS: generic, or an emulator of a product, with 15,000 students at most.",
    ),
]


def face_of(source: Source, *, students: int, file: Path | None) -> Face | None:
    """Return the emulator to start, if any. Raises CommandFailed for what cannot be joined."""
    face = next((one for one in FACES if one == source), None)
    if face is not None and file is not None:
        raise CommandFailed("an emulated SIS brings its own district: --zip cannot be joined")
    if face is not None and not FEWEST_STUDENTS <= students <= MOST_STUDENTS:
        raise CommandFailed(f"an emulated SIS has {FEWEST_STUDENTS} to {MOST_STUDENTS:,} students")
    return face


def demo(
    students: StudentsOption = DEFAULT_STUDENTS,
    kafka: KafkaOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
    file: Annotated[
        Path | None,
        typer.Option("--zip", exists=True, dir_okay=False, help="A OneRoster zip to load instead."),
    ] = None,
    source: SourceOption = Source.GENERIC,
) -> None:
    """Start everything, load a district, change it in its SIS, check every copy from outside.

    Begins from nothing: what an earlier run left in the folder is thrown away.
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
    raise typer.Exit(run_demo(options, display()))
