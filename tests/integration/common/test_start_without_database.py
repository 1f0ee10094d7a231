"""A service starts without its database, says so, and is ready once the database is there."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from roster_common.runtime.migrations import migrate
from tests.support.eventually import eventually, eventually_sync
from tests.support.ingest_service import environment
from tests.support.processes import Program, http_status, start_program
from tests.support.tcp_proxy import Fault, TcpProxy, tcp_proxy

SCHEMA = "sis_ingest"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Bound, so that nobody else is given it, and nothing listens there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[object]:
    started: list[Program] = []

    def run(url: str, *arguments: str) -> Program:
        env = environment(url, tmp_path)
        started.append(start_program(SCHEMA, folder=tmp_path, env=env, arguments=arguments))
        return started[-1]

    yield run
    for program in started:
        program.kill()


def test_with_a_closed_port_it_lives_and_is_not_ready(start, closed_port):
    program = start(f"postgresql://homeroom:pa55@127.0.0.1:{closed_port}/homeroom")

    eventually_sync(lambda: http_status(program.port, "/healthz") == 200, within_s=30, what="life")

    ready = httpx2.get(f"{program.url}/readyz", timeout=30).json()
    assert ready["status"] == "unready"
    assert ready["checks"]["database"]["ok"] is False
    assert ready["checks"]["migrations"] == {"ok": False, "critical": True, "error": "unknown"}
    assert "pa55" not in program.log()


async def test_it_is_ready_once_the_database_answers(start, database_url):
    await migrate(database_url, schema="log", script_package="roster_common.log_migrations")
    await migrate(database_url, schema=SCHEMA, script_package=f"{SCHEMA}.migrations")
    there = urlsplit(database_url)

    async with tcp_proxy(there.port or 5432) as proxy:
        proxy.set_fault(Fault.REFUSE)
        program = start(through(database_url, proxy))
        await eventually(lambda: status(program, "/readyz", 503), within_s=30, what="a no")
        proxy.set_fault(Fault.NONE)
        await eventually(lambda: status(program, "/readyz", 200), within_s=40, what="a yes")


async def test_a_database_that_comes_without_its_migrations_ends_it(start, database_url):
    async with tcp_proxy(urlsplit(database_url).port or 5432) as proxy:
        proxy.set_fault(Fault.REFUSE)
        program = start(through(database_url, proxy))
        await eventually(lambda: status(program, "/readyz", 503), within_s=30, what="a no")
        proxy.set_fault(Fault.NONE)
        await asyncio.to_thread(program.wait_for_exit, within_s=40)


def test_migrating_a_database_that_is_away_is_refused_in_one_line(start, closed_port):
    program = start(f"postgresql://homeroom:pa55@127.0.0.1:{closed_port}/homeroom", "migrate")

    assert program.wait_for_exit() == 1
    assert program.log().splitlines()[-1].startswith(f"{SCHEMA}: the database does not answer")
    assert "Traceback" not in program.log()
    assert "pa55" not in program.log()


def test_a_malformed_address_shows_no_piece_of_its_password(start):
    program = start("postgresql://homeroom:Pa/ssw0rd@127.0.0.1:5432/homeroom")

    assert program.wait_for_exit() == 1
    assert "HOMEROOM_DATABASE_URL" in program.log()
    assert "w0rd" not in program.log()


def through(url: str, proxy: TcpProxy) -> str:
    """The same database, by way of the proxy."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.replace(str(parts.port), str(proxy.port))).geturl()


async def status(program: Program, path: str, wanted: int) -> bool:
    return await asyncio.to_thread(http_status, program.port, path) == wanted
