"""An emulator as a program: where it listens, what it writes, how it ends and starts again."""

import socket
import stat
from pathlib import Path

import pytest

from homeroom.parts.processes import ChildFailed
from tests.support.emulators import emulator

FACES = ("oneroster", "infinitecampus", "powerschool")


@pytest.mark.parametrize("face", FACES)
def test_it_listens_on_the_loopback_only_and_ends_when_told(tmp_path: Path, face: str) -> None:
    with emulator(face, folder=tmp_path) as running:
        port = int(running.url.rpartition(":")[2])
        elsewhere = socket.create_server(("127.0.0.2", port))
        elsewhere.close()
        assert running.evidence()["notice"] == "an emulator, not a live system"
        named = running.client.get(f"{running.url}/anything").headers["server"]
        assert named.endswith("emulator (an emulator, not a live system)")

        assert running.program.stop() in (0, -15)


def test_its_secrets_are_for_their_owner_and_outlive_it(tmp_path: Path) -> None:
    with emulator("oneroster", folder=tmp_path) as first:
        told, people = first.told, first.truth("people", limit=500)
        assert stat.S_IMODE((tmp_path / "oneroster.json").stat().st_mode) == 0o600
        assert told["clientSecret"] not in first.program.log()
    with emulator("oneroster", folder=tmp_path) as second:
        assert second.told["clientSecret"] == told["clientSecret"]
        assert second.truth("people", limit=500) == people


def test_a_size_that_cannot_be_ends_it_with_words(tmp_path: Path) -> None:
    with (
        pytest.raises(ChildFailed) as failed,
        emulator("oneroster", "--students", "0", folder=tmp_path),
    ):
        pass
    assert "between 1 and 15000" in failed.value.tail


def test_without_counts_a_short_page_is_the_end(tmp_path: Path) -> None:
    with emulator("powerschool", "--no-counts", folder=tmp_path) as running:
        address = f"{running.told['oneRoster11Url']}/students?limit=50"
        pages = [
            running.client.get(f"{address}&offset={offset}", headers=running.token())
            for offset in (0, 50)
        ]

    assert [len(page.json()["users"]) for page in pages] == [50, 10]
    assert not {"x-total-count", "link"} & {name for page in pages for name in page.headers}
