"""Pytest plugin: one PostgreSQL server per session and a fresh database per test."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeroom.parts.missing import Missing
from homeroom.parts.postgres import RunningPostgres, start_postgres
from tests.support.databases import Databases
from tests.support.used_parts import note_part


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[RunningPostgres]:
    """The session's server; skips with the reason where none can be had."""
    # Not pytest's own temp folder: an unprivileged owner of the cluster could not reach it.
    folder = Path(tempfile.mkdtemp(prefix="homeroom-tests-"))
    folder.chmod(0o711)
    started = start_postgres(folder, durable=False, docker=True)
    if isinstance(started, Missing):
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(str(started))
    note_part(request.config, part="PostgreSQL", line=str(started))
    yield started
    started.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(postgres: RunningPostgres) -> str:
    """The server's URL, with a database that tests should leave alone."""
    return postgres.url


@pytest.fixture(scope="session")
def databases(postgres_url: str) -> Iterator[Databases]:
    """Makes fresh databases and templates; see `Databases`."""
    databases = Databases(postgres_url)
    yield databases
    databases.drop_templates()


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """An empty database for one test."""
    url = databases.fresh()
    yield url
    databases.drop(url)


@pytest.fixture(scope="module")
def module_database_url(databases: Databases) -> Iterator[str]:
    """An empty database for one module, where tests only read or never meet."""
    url = databases.fresh()
    yield url
    databases.drop(url)
