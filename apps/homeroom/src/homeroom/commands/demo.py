"""`homeroom demo`: the whole way of a district, start to evidence, and an honest exit code."""

from pathlib import Path
from typing import Annotated

import typer

from homeroom.commands.options import FolderOption, PortOption, display, layout_of, ports_of
from homeroom.demo.run import DemoOptions, run_demo

DEFAULT_STUDENTS = 1_500
StudentsOption = Annotated[
    int,
    typer.Option(
        "--students", min=26, max=100_000, envvar="DISTRICT", help="Size of the made-up district."
    ),
]
KafkaOption = Annotated[
    bool, typer.Option("--kafka", envvar="KAFKA", help="Carry the log over a real Kafka.")
]


def demo(
    students: StudentsOption = DEFAULT_STUDENTS,
    kafka: KafkaOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
    file: Annotated[
        Path | None,
        typer.Option("--zip", exists=True, dir_okay=False, help="A OneRoster zip to load instead."),
    ] = None,
) -> None:
    """Start everything, load a district, change it by webhook, check every copy from outside."""
    options = DemoOptions(
        layout=layout_of(folder),
        ports=ports_of(port_base),
        students=students,
        with_kafka=kafka,
        file=file,
    )
    raise typer.Exit(run_demo(options, display()))
