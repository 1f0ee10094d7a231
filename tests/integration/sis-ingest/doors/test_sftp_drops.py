"""A folder on an SFTP server: two servers that share no code, and everything that goes wrong."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncssh
import pytest

from roster_common.runtime.database import Database
from sis_ingest.adapters.drops.sftp import Patience, is_host_key
from sis_ingest.domain.drops import DropRules
from sis_ingest.ports.drops import DropFailed
from tests.support.dropping import START, Dropping, leave
from tests.support.eventually import eventually
from tests.support.ports import own_port
from tests.support.sftp_servers import PASSWORD, SSHD, SftpServer, in_process, openssh
from tests.support.tcp_proxy import Fault, tcp_proxy

SHORT = Patience(connect_s=0.5, call_s=0.5)


@pytest.fixture(params=["asyncssh", "openssh"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SftpServer]:
    """A server that a district runs."""
    if request.param == "openssh":
        if SSHD is None:
            pytest.skip("there is no sshd here (Debian: openssh-server)")
        async with openssh() as running:
            yield running
    else:
        (tmp_path / "left-here").mkdir()
        async with in_process(tmp_path / "left-here") as running:
            yield running


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[SftpServer]:
    """asyncssh's, for what does not depend on the server."""
    (tmp_path / "left-here").mkdir()
    async with in_process(tmp_path / "left-here") as running:
        yield running


@pytest.fixture
async def dropping(ingest_url: str, tmp_path: Path) -> AsyncIterator[Dropping]:
    """A source with nothing taken yet."""
    database = Database(ingest_url, name="test", pool_size=2)
    yield Dropping(database=database, raw=tmp_path / "raw")
    await database.close()


async def fault(server: SftpServer, **other: object) -> str:
    """What a look at the drop, told so, fails with."""
    with pytest.raises(DropFailed) as failed:
        async with server.drop(**other).open() as folder:
            await folder.listed()
    return failed.value.code


async def test_a_file_is_taken_once_and_moved(server: SftpServer, dropping: Dropping) -> None:
    (server.folder / "taken").mkdir()
    (server.folder / "taken").chmod(0o777)
    server.folder.chmod(0o777)
    drop = server.drop(move_to="taken")
    leave(server.folder, "roster.zip", b"one", minutes_ago=30)
    leave(server.folder, "readme.txt", b"no")

    assert await dropping.looks(drop) == [0, 1]
    assert await dropping.looks(drop) == [0, 0]

    assert await dropping.bodies() == [b"one"]
    assert [run["as_of"] for run in await dropping.runs()] == [START - timedelta(minutes=30)]
    (moved,) = (server.folder / "taken").iterdir()
    assert (moved.name, moved.read_bytes()) == ("20260901T073000Z-roster.zip", b"one")
    assert not (server.folder / "roster.zip").exists()


async def test_nothing_is_moved_over_another_file(server: SftpServer, dropping: Dropping) -> None:
    (server.folder / "taken").mkdir()
    (server.folder / "taken" / "20260901T073000Z-roster.zip").write_bytes(b"another")
    leave(server.folder, "roster.zip", b"one", minutes_ago=30)
    drop = server.drop(move_to="taken")

    await dropping.look(drop)
    look = await dropping.look(drop)

    assert (look.taken, look.fault) == (1, "not_moved")
    assert (server.folder / "taken" / "20260901T073000Z-roster.zip").read_bytes() == b"another"
    assert (server.folder / "roster.zip").read_bytes() == b"one"


async def test_a_file_that_came_in_the_place_of_a_taken_one_goes_back(server: SftpServer) -> None:
    (server.folder / "taken").mkdir()
    (server.folder / "taken").chmod(0o777)
    server.folder.chmod(0o777)
    leave(server.folder, "roster.zip", b"monday", minutes_ago=30)

    async with server.drop(move_to="taken").open() as folder:
        (taken,) = [file for file in await folder.listed() if file.name == "roster.zip"]
        leave(server.folder, "roster.zip", b"tuesday", minutes_ago=1)
        await folder.put_aside(taken)

    assert (server.folder / "roster.zip").read_bytes() == b"tuesday"
    assert list((server.folder / "taken").iterdir()) == []


async def test_a_large_file_comes_whole(server: SftpServer) -> None:
    body = os.urandom(9_000_001)
    leave(server.folder, "roster.zip", body)

    async with server.drop().open() as folder:
        (listed,) = await folder.listed()
        got = b"".join([piece async for piece in folder.read(listed)])

    assert (listed.size_bytes, got == body) == (9_000_001, True)


async def test_a_file_that_changes_while_it_is_read_is_noticed(server: SftpServer) -> None:
    leave(server.folder, "roster.zip", b"half")

    async with server.drop().open() as folder:
        (listed,) = await folder.listed()
        pieces = folder.read(listed)
        assert await anext(pieces) == b"half"
        leave(server.folder, "roster.zip", b"half and more", minutes_ago=9)
        with pytest.raises(DropFailed, match="changed_while_read"):
            [piece async for piece in pieces]


async def test_a_file_that_is_gone_when_it_is_read_is_noticed(server: SftpServer) -> None:
    leave(server.folder, "roster.zip", b"one")

    async with server.drop().open() as folder:
        (listed,) = await folder.listed()
        (server.folder / "roster.zip").unlink()
        with pytest.raises(DropFailed, match="changed_while_read"):
            await anext(folder.read(listed))


async def test_a_server_with_another_key_than_the_pinned_one_is_not_spoken_to(
    server: SftpServer,
) -> None:
    for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256"):
        other = asyncssh.generate_private_key(kind).export_public_key().decode()
        assert await fault(server, host_key=other) == "host_key_changed"


async def test_a_login_that_is_refused_is_told(server: SftpServer, tmp_path: Path) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "other")

    assert await fault(server, key_file=tmp_path / "other") == "login_refused"
    assert await fault(server, key_file=None, password="wrong") == "login_refused"
    assert await fault(server, key_file=tmp_path / "not-there") == "no_key"


async def test_a_folder_that_is_not_there_is_told(server: SftpServer) -> None:
    assert await fault(server, folder=f"{server.at}/not-there") == "no_folder"


async def test_links_and_folders_are_nobodys_files(server: SftpServer, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"secret")
    (server.folder / "link.zip").symlink_to(tmp_path / "elsewhere")
    (server.folder / "folder.zip").mkdir()

    async with server.drop().open() as folder:
        assert await folder.listed() == []


async def test_a_password_opens_too(ours: SftpServer, dropping: Dropping) -> None:
    leave(ours.folder, "roster.zip", b"one")

    assert await dropping.looks(ours.drop(key_file=None, password=PASSWORD)) == [0, 1]


async def test_a_name_that_is_no_text_is_nobodys_file(ours: SftpServer, dropping: Dropping) -> None:
    dropping.rules = DropRules(pattern="*")
    leave(ours.folder, os.fsdecode(b"\xff.zip"), b"x")
    leave(ours.folder, "roster.zip", b"one")

    assert await dropping.looks(ours.drop()) == [0, 1]


async def test_a_server_that_is_not_there_is_told(ours: SftpServer) -> None:
    assert await fault(ours, port=own_port()) == "unreachable"


async def test_a_server_that_does_not_answer_is_given_up_in_time(ours: SftpServer) -> None:
    async with tcp_proxy(ours.port) as proxy:
        proxy.set_fault(Fault.BLACK_HOLE)

        assert await fault(ours, port=proxy.port, patience=SHORT) == "timed_out"


async def test_a_server_that_falls_silent_is_given_up_in_time(ours: SftpServer) -> None:
    patience = Patience(connect_s=20, call_s=3)
    async with (
        tcp_proxy(ours.port) as proxy,
        ours.drop(port=proxy.port, patience=patience).open() as folder,
    ):
        proxy.set_fault(Fault.BLACK_HOLE)
        with pytest.raises(DropFailed, match=r"timed_out|unreachable"):
            await folder.listed()


async def test_a_connection_cut_in_the_middle_leaves_nothing_and_the_file_is_taken_later(
    ours: SftpServer, dropping: Dropping
) -> None:
    leave(ours.folder, "roster.zip", b"x" * 900_000)
    async with tcp_proxy(ours.port) as proxy:
        drop = ours.drop(port=proxy.port)
        await dropping.look(drop)
        proxy.delay_s = 0.02
        before = proxy.connections

        async def cut() -> bool:
            if proxy.connections > before and any(dropping.raw.glob("*.part")):
                proxy.cut()
                return True
            return False

        cutting = asyncio.create_task(eventually(cut))
        with pytest.raises(DropFailed) as failed:
            await dropping.look(drop)
        await cutting

        assert failed.value.code == "unreachable"
        assert (await dropping.runs(), list(dropping.raw.iterdir())) == ([], [])
        proxy.delay_s = 0
        assert (await dropping.look(drop)).taken == 1
        assert await dropping.bodies() == [b"x" * 900_000]


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "10.0.0.1 ssh-rsa x"])
def test_what_is_no_host_key_is_seen_at_the_start(text: str) -> None:
    assert not is_host_key(text)
