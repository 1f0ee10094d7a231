"""One supervisor per folder, ports that are free, and a start that is clean."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeroom import ownership
from homeroom.errors import CommandFailed, PortTaken
from homeroom.layout import Layout, Ports
from homeroom.parts.owner import POINTER


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(folder=tmp_path / ".demo")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def free_base() -> Ports:
    """Ports of which nobody listens on any: far away from the usual ones."""
    return Ports(base=23_801)


def test_a_folder_serves_one_supervisor_at_a_time(layout: Layout) -> None:
    ownership.claim(layout, free_base())

    with pytest.raises(CommandFailed, match=f"already runs in .* \\(process {os.getpid()}\\)"):
        ownership.claim(layout, free_base())

    ownership.release(layout)
    ownership.claim(layout, free_base())


def test_the_note_of_a_killed_supervisor_is_no_obstacle(layout: Layout) -> None:
    ownership.claim(layout, free_base())
    note = layout.lock.read_text(encoding="utf-8")
    layout.lock.write_text(note.replace('"started": ', '"started": 1'), encoding="utf-8")

    ownership.claim(layout, free_base())


def test_a_broken_note_is_no_obstacle(layout: Layout) -> None:
    layout.folder.mkdir()
    layout.lock.write_text("{", encoding="utf-8")

    ownership.claim(layout, free_base())


def test_a_taken_port_is_named_with_its_holder(layout: Layout, listener: socket.socket) -> None:
    port = listener.getsockname()[1]

    with pytest.raises(PortTaken, match=rf"port {port} is needed for sis-ingest but process \d+"):
        ownership.claim(layout, Ports(base=port))


def test_a_clean_start_removes_data_and_logs_and_keeps_the_keys(layout: Layout) -> None:
    for file in (layout.data / "old", layout.log_of("sis-ingest"), layout.private_key):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    layout.evidence.touch()

    ownership.clear(layout)

    assert list(layout.data.iterdir()) == []
    assert list(layout.logs.iterdir()) == []
    assert not layout.evidence.exists()
    assert layout.private_key.exists()


def test_a_pointer_to_a_foreign_folder_removes_nothing(layout: Layout, tmp_path: Path) -> None:
    foreign = tmp_path / "precious"
    foreign.mkdir()
    pointer = layout.data / "postgres" / POINTER
    pointer.parent.mkdir(parents=True)
    pointer.write_text(f"{foreign}\n", encoding="utf-8")

    ownership.clear(layout)

    assert foreign.is_dir()


def test_the_ports_are_those_that_outside_tools_rely_on() -> None:
    ports = Ports(base=8101)

    assert [ports.of(offset) for offset in range(4)] == [8101, 8102, 8103, 8104]
    assert ports.scim == 8190
