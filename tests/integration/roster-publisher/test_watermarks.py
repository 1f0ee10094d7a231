"""A vendor that keeps a watermark ends with what a full pull gives, however slow commits are
(blueprint, invariants 6 and 7).
"""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roster_common.runtime.database import Database
from tests.support.oneroster_records import user
from tests.support.publishing import Publishing
from tests.support.slow_commits import FACT, GRANTS, PATHS, PATIENT, WORLD, Writers

DISTRICTS = itertools.count(1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), FACT),
        st.tuples(st.just("commit"), st.none()),
        st.tuples(st.just("poll"), st.integers(0, len(GRANTS) - 1)),
    ),
    min_size=6,
    max_size=24,
)


@dataclass
class Copy:
    """A vendor's copy of one grant, kept by asking for what is behind its watermarks."""

    http: httpx2.AsyncClient
    rows: dict[str, dict[str, Any]] = field(default_factory=lambda: {path: {} for path in PATHS})
    watermarks: dict[str, str] = field(default_factory=lambda: dict.fromkeys(PATHS, "2000-01-01"))

    async def poll(self) -> None:
        """Take what is new, page by page. Whatever comes is behind the watermark."""
        for path in PATHS:
            since = self.watermarks[path]
            async for row in _pull(self.http, f"{path}?limit=2&filter=dateLastModified>'{since}'"):
                assert row["dateLastModified"] > since
                self.rows[path][row["sourcedId"]] = row
                self.watermarks[path] = max(self.watermarks[path], row["dateLastModified"])

    async def whole(self) -> dict[str, dict[str, Any]]:
        """What a full pull gives."""
        return {
            path: {row["sourcedId"]: row async for row in _pull(self.http, f"{path}?limit=3")}
            for path in PATHS
        }


async def _pull(http: httpx2.AsyncClient, path: str) -> AsyncIterator[dict[str, Any]]:
    url: str | None = path
    while url:
        answer = await http.get(url)
        (rows,) = answer.json().values()
        for row in rows:
            yield row
        url = answer.links.get("next", {}).get("url")


@pytest.fixture
async def patient(publisher_url: str) -> AsyncIterator[Database]:
    """A database whose locks may be waited for as long as a test holds them."""
    database = Database(publisher_url, name="test-writers", pool_size=5, **PATIENT)
    yield database
    await database.close()


@given(steps=STEPS)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_a_watermark_misses_nothing_while_commits_are_slow(
    publishing: Publishing, patient: Database, steps: list[tuple[str, Any]]
) -> None:
    district = f"d{next(DISTRICTS)}"
    await publishing.publish(*WORLD, district=district)
    writers = Writers(publishing, patient, district)

    async with (
        publishing.vendor(f"a-{district}", district=district, schools=GRANTS[0]) as first,
        publishing.vendor(f"b-{district}", district=district, schools=GRANTS[1]) as second,
        publishing.vendor(f"c-{district}", district=district, schools=GRANTS[2]) as third,
    ):
        copies = [Copy(http) for http in (first, second, third)]
        try:
            for kind, what in steps:
                match kind:
                    case "begin":
                        await writers.begin(what)
                    case "commit":
                        await writers.commit()
                    case _:
                        await copies[what].poll()
        finally:
            await writers.finish()
        for copy in copies:
            await copy.poll()
            assert copy.rows == await copy.whole()
    await _stamps_rise(publishing, district)


async def test_commits_of_one_moment_get_stamps_of_their_own(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as http:
        copy = Copy(http)
        await copy.poll()
        for name in ("A", "B", "C"):
            await publishing.apply([publishing.change("user", user("u000", givenName=name))])
            await copy.poll()
        assert copy.rows == await copy.whole()
        assert copy.rows["users"]["u000"]["givenName"] == "C"
    await _stamps_rise(publishing, "d1")


async def _stamps_rise(publishing: Publishing, district: str) -> None:
    """Every commit has one stamp, later than those of all commits before."""
    rows = await publishing.rows(
        """SELECT DISTINCT revision, stamp FROM (
               SELECT revision, stamp FROM roster_publisher.object WHERE district_id = $1
               UNION ALL
               SELECT rev_from, stamp FROM roster_publisher.object_history WHERE district_id = $1
           ) AS u ORDER BY revision""",
        district,
    )
    stamps = [row["stamp"] for row in rows]
    assert len({row["revision"] for row in rows}) == len(rows)
    assert all(one < later for one, later in itertools.pairwise(stamps))
