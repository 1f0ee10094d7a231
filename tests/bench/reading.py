"""Vendor reads: a real roster-publisher process on a full-size district, the yardstick beside it.

Pages and single objects as shares of the yardstick at the same number of connections; a whole pull
of the enrolments by 1,000; a page at the end of a pull by 100, continued and jumped to. The row of a
grant of one school stands beside that of the whole district. Sub-collections and the change feed
are in `below.py`.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from urllib.parse import urlencode

import orjson

from homeroom.parts.processes import free_port, port_answers, start_child
from roster_common.runtime.database import Database
from roster_common.runtime.migrations import migrate
from roster_common.runtime.tokens import new_keypair
from roster_publisher.domain.collections import KNOWN_SCOPES
from tests.bench.below import below
from tests.bench.exchange import Answer, Exchange, request
from tests.bench.load import get, load
from tests.bench.measuring import Bench, Figures, Lineup, Stalled
from tests.bench.servers import drop_database, fresh_database, give_back
from tests.bench.serving import HOST, yardstick
from tests.support import oneroster_records as records
from tests.support.publishing import Publishing

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "homeroom_bench_read"
BASE = "/ims/oneroster/rostering/v1p2"
DISTRICT = "bench"
SECRET = f"hrs_{'b' * 43}"
SCHOOLS, SCHOOLS_QUICK = 25, 5
STUDENTS_PER_SCHOOL, CLASSES_PER_SCHOOL = 600, 240
ENROLLMENTS_PER_SCHOOL = 4_000
BATCH = 2_000
START_TIMEOUT_S = 30.0
FILL_TIMEOUT_S = 300.0
PULL_PAGE, DEEP_PAGE = 1_000, 100
REPEATS = 9

Fact = tuple[str, dict[str, object]]


@asynccontextmanager
async def reading(bench: Bench) -> AsyncIterator[Lineup]:
    """15,000 students in 25 schools and 100,000 enrolments; a fifth of it with `--quick`."""
    schools = SCHOOLS_QUICK if bench.plan.quick else SCHOOLS
    async with AsyncExitStack() as stack:
        url = await fresh_database(bench.server_url, DATABASE)
        stack.push_async_callback(drop_database, bench.server_url, DATABASE)
        await migrate(url, schema="roster_publisher", script_package="roster_publisher.migrations")
        async with asyncio.timeout(FILL_TIMEOUT_S):
            await fill(url, schools)
        port = await stack.enter_async_context(service(url))
        bare = await stack.enter_async_context(yardstick())
        reader = _Reader(
            port=port,
            bare=bare,
            seconds=bench.plan.writing_s,
            enrollments=schools * ENROLLMENTS_PER_SCHOOL,
            whole=await token_of(port, "whole"),
            school=await token_of(port, "school"),
        )
        yield Lineup(
            samples=[
                *(
                    partial(sample, connections)
                    for connections in (1, 8)
                    for sample in (reader.bare_rate, reader.page, reader.single)
                ),
                reader.school_page,
                *below(port, reader.whole, reader.school, seconds=bench.plan.writing_s),
                reader.pull,
                reader.deep,
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """A vendor with a token for the district and one for a school."""

    port: int
    bare: int
    seconds: float
    enrollments: int
    whole: str
    school: str

    async def bare_rate(self, connections: int) -> Figures:
        done = await load(
            HOST, self.bare, get("/", host=HOST), connections=connections, seconds=self.seconds
        )
        return {f"read.yardstick.{connections}": done.requests_per_s}

    async def page(self, connections: int) -> Figures:
        return {f"read.page.{connections}": await self._rate("users?limit=100", connections)}

    async def single(self, connections: int) -> Figures:
        return {f"read.single.{connections}": await self._rate("users/s000-u0001", connections)}

    async def school_page(self) -> Figures:
        return {"read.school.page.1": await self._rate("users?limit=100", 1, token=self.school)}

    async def pull(self) -> Figures:
        line = Exchange(self.port)
        began = perf_counter()
        for offset in range(0, self.enrollments, PULL_PAGE):
            await self._ask(line, f"enrollments?limit={PULL_PAGE}&offset={offset}")
        seconds = perf_counter() - began
        line.close()
        return {"read.pull": seconds}

    async def deep(self) -> Figures:
        """Milliseconds: the middle of some tries. A jump is cold: a pull of its own each time."""
        line = Exchange(self.port)
        last = self.enrollments - DEEP_PAGE
        query = f"enrollments?limit={DEEP_PAGE}"
        first = await _middle(lambda _: self._ask(line, query))
        await self._ask(line, f"{query}&offset={last - DEEP_PAGE}")
        continued = await _middle(lambda _: self._ask(line, f"{query}&offset={last}"))

        async def jump(number: int) -> None:
            # Another limit is another pull of the same query, whose total is counted already.
            await self._ask(line, f"enrollments?limit={DEEP_PAGE + 1 + number}&offset={last}")

        async def jump_counting(number: int) -> None:
            # Another filter that lets everything through is another query.
            text = f"status!='x{number}{perf_counter():.6f}'"
            await self._ask(line, f"{query}&{urlencode({'filter': text})}&offset={last}")

        jumped = await _middle(jump)
        counted = await _middle(jump_counting)
        line.close()
        return {
            "read.deep.first": first,
            "read.deep.continued": continued,
            "read.deep.ratio": continued / first,
            "read.deep.jump": jumped,
            "read.deep.counted": counted,
        }

    async def _ask(self, line: Exchange, path: str) -> None:
        answer = await line.send(
            request("GET", f"{BASE}/{path}", headers={"authorization": f"Bearer {self.whole}"})
        )
        if answer.status != 200:
            raise Stalled(f"read: a page was answered with {answer.status}")

    async def _rate(self, path: str, connections: int, *, token: str | None = None) -> float:
        asked = get(
            f"{BASE}/{path}",
            host=HOST,
            headers={"authorization": f"Bearer {token or self.whole}"},
        )
        done = await load(HOST, self.port, asked, connections=connections, seconds=self.seconds)
        if set(done.statuses) != {200}:
            raise Stalled(f"read: answers other than 200: {sorted(done.statuses)}")
        return done.requests_per_s


async def _middle(ask: Callable[[int], Awaitable[None]]) -> float:
    waits = []
    for number in range(REPEATS):
        began = perf_counter()
        await ask(number)
        waits.append((perf_counter() - began) * 1000)
    return sorted(waits)[REPEATS // 2]


async def token_of(port: int, client_id: str) -> str:
    """A token of one of the vendors of `service`."""
    line = Exchange(port)
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": SECRET}
    asked = request(
        "POST",
        "/oauth2/token",
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode(form).encode(),
    )
    async with asyncio.timeout(START_TIMEOUT_S):
        # The clients of the settings are made soon after the start, not before it.
        while (answer := await line.send(asked)).status != 200:
            await asyncio.sleep(0.1)
    line.close()
    return _text(answer, "access_token")


def _text(answer: Answer, name: str) -> str:
    return str(orjson.loads(answer.body)[name])


async def fill(url: str, schools: int) -> None:
    """A district of that many schools, published and counted; nothing is left to derive."""
    database = Database(url, name="bench-fill", pool_size=2)
    publishing = Publishing(database=database)
    batch: list[Fact] = []
    for fact in _facts(schools):
        batch.append(fact)
        if len(batch) >= BATCH:
            await publishing.publish(*batch, district=DISTRICT, origin="firstload")
            batch.clear()
    await publishing.publish(*batch, district=DISTRICT, origin="firstload")
    async with database.begin() as tx:
        driver = await tx.driver()
        await driver.execute("DELETE FROM roster_publisher.dirty_person WHERE district_id <> ''")
        await driver.execute("DELETE FROM roster_publisher.dirty_class WHERE district_id <> ''")
    # What the database does by itself within a minute or two of a load.
    pool = await database.pool()
    await pool.execute("VACUUM ANALYZE roster_publisher.object")
    await pool.execute("VACUUM ANALYZE roster_publisher.scope_member")
    await give_back(database)


def _facts(schools: int) -> Iterator[Fact]:
    names = [f"s{number:03d}" for number in range(schools)]
    yield "academicSession", records.session("t1")
    for school in names:
        yield "org", records.org(school)
    for school in names:
        yield "course", records.course(f"{school}-c", org=records.ref("org", school))
        for number in range(CLASSES_PER_SCHOOL):
            yield (
                "class",
                records.class_(f"{school}-k{number:03d}", course=f"{school}-c", school=school),
            )
        for number in range(STUDENTS_PER_SCHOOL):
            who = f"{school}-u{number:04d}"
            yield (
                "user",
                records.user(
                    who,
                    records.role(school),
                    username=who,
                    email=f"{who}@example.org",
                    grades=["05"],
                    userIds=[{"type": "sis", "identifier": who}],
                ),
            )
        for number in range(ENROLLMENTS_PER_SCHOOL):
            yield (
                "enrollment",
                records.enrollment(
                    f"{school}-e{number:05d}",
                    user=f"{school}-u{number % STUDENTS_PER_SCHOOL:04d}",
                    class_id=f"{school}-k{number % CLASSES_PER_SCHOOL:03d}",
                    school=school,
                ),
            )


@asynccontextmanager
async def service(
    url: str, *, webhook: Mapping[str, object] | None = None, env: Mapping[str, str] | None = None
) -> AsyncIterator[int]:
    """roster-publisher as a process, its port; two vendors, of which the first may be told."""
    port = free_port()
    _, public_key = new_keypair()
    client = {"secret": SECRET, "district": DISTRICT, "scopes": sorted(KNOWN_SCOPES)}
    clients = [
        client | {"id": "whole", "webhook": webhook},
        client | {"id": "school", "schools": ["s001"]},
    ]
    with tempfile.TemporaryDirectory() as folder:
        child = await asyncio.to_thread(
            start_child,
            "roster-publisher",
            [sys.executable, "-m", "roster_publisher", "serve"],
            log=Path(folder) / "roster-publisher.log",
            cwd=ROOT,
            env={
                **(env or {}),
                "HOMEROOM_DATABASE_URL": url,
                "HOMEROOM_ENVIRONMENT": "test",
                "HOMEROOM_PORT": str(port),
                "HOMEROOM_OPERATOR_PUBLIC_KEY": public_key,
                "HOMEROOM_CLIENTS": json.dumps(clients),
                # What a service can do is measured, not what it allows.
                "HOMEROOM_VENDOR_RATE": "1000000",
                "HOMEROOM_VENDOR_BURST": "1000000",
            },
        )
        try:
            await asyncio.to_thread(
                child.wait_until, lambda: port_answers(port), within_s=START_TIMEOUT_S
            )
            yield port
        finally:
            await asyncio.to_thread(child.stop)
