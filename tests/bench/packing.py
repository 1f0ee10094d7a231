"""CSV packages: bulk as a vendor fetches it, from a real roster-publisher process.

Records a second, each counted once, from the request to the last byte of the zip; beside it COPY of
the same records' texts out of the same database. The row of a grant of one school stands beside
that of the whole district.
"""

import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Final

import asyncpg

from roster_common.runtime.migrations import migrate
from tests.bench.exchange import Exchange, request
from tests.bench.measuring import Bench, Figures, Lineup, Stalled
from tests.bench.reading import DISTRICT, fill, service, token_of
from tests.bench.servers import drop_database, fresh_database

DATABASE = "homeroom_bench_package"
SCHOOLS, SCHOOLS_QUICK = 5, 2
PATH = "/exports/oneroster.zip?version=1.2&mode=bulk"
# Their rows are of records that users.csv has told.
PARTS: Final = frozenset({"manifest.csv", "roles.csv", "userProfiles.csv"})
COPY: Final = """
    SELECT sourced_id, base, names, contact, identifiers, birth, ethnicity, refs, metadata
    FROM roster_publisher.object WHERE district_id = $1 AND status = 'active'
"""
COPY_TIMEOUT_S = 60.0


@asynccontextmanager
async def packing(bench: Bench) -> AsyncIterator[Lineup]:
    """3,000 students and 20,000 enrolments in 5 schools; 2 schools with `--quick`."""
    async with AsyncExitStack() as stack:
        url = await fresh_database(bench.server_url, DATABASE)
        stack.push_async_callback(drop_database, bench.server_url, DATABASE)
        await migrate(url, schema="roster_publisher", script_package="roster_publisher.migrations")
        await fill(url, SCHOOLS_QUICK if bench.plan.quick else SCHOOLS)
        raw = await asyncpg.connect(url, timeout=10)
        stack.push_async_callback(raw.close, timeout=5)
        port = await stack.enter_async_context(service(url))
        fetcher = _Fetcher(port=port, raw=raw)
        whole, school = [await token_of(port, client) for client in ("whole", "school")]
        yield Lineup(
            samples=[
                fetcher.copied,
                partial(fetcher.bulk, "package.bulk", whole),
                partial(fetcher.bulk, "package.school", school),
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetcher:
    """A vendor, and somebody who reads the tables themselves."""

    port: int
    raw: asyncpg.Connection

    async def bulk(self, row: str, token: str) -> Figures:
        line = Exchange(self.port)
        began = perf_counter()
        answer = await line.send(request("GET", PATH, headers={"authorization": f"Bearer {token}"}))
        seconds = perf_counter() - began
        line.close()
        if answer.status != 200:
            raise Stalled(f"{row}: a package was answered with {answer.status}")
        return {row: _records(answer.body) / seconds}

    async def copied(self) -> Figures:
        async def forget(_data: bytes) -> None:
            pass

        began = perf_counter()
        told = await self.raw.copy_from_query(COPY, DISTRICT, output=forget, timeout=COPY_TIMEOUT_S)
        return {"package.copy": int(told.rpartition(" ")[2]) / (perf_counter() - began)}


def _records(package: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(package)) as files:
        names = set(files.namelist()) - PARTS
        return sum(files.read(name).count(b"\r\n") - 1 for name in names)
