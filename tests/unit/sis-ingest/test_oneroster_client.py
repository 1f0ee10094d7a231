"""Pages and marks of a OneRoster provider, as its answers word them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from sis_ingest.oneroster.client import OneRosterClient, Provider
from sis_ingest.ports.pulls import Access, Answer, PullSpec, SourceRefused
from sis_ingest.sources.infinite_campus.spec import SPEC as CAMPUS
from sis_ingest.sources.oneroster_rest.spec import SPEC as REST

NOW = datetime(2026, 9, 1, 3, tzinfo=UTC)


class Answers:
    """A provider of five orgs that gives two a page, and says it with these headers."""

    def __init__(self, **headers: str) -> None:
        self._headers = headers
        self.queries: list[Mapping[str, str]] = []

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        self.queries.append(query or {})
        offset = int((query or {})["offset"])
        orgs = [{"sourcedId": str(n)} for n in range(5)][offset : offset + 2]
        return Answer(status=200, headers=self._headers, body=orjson.dumps({"orgs": orgs}))


async def read(client: OneRosterClient) -> int:
    """How many orgs come, page by page."""
    count, cursor = 0, "0"
    while True:
        page = await client.page("orgs", cursor, None)
        count += len(page.items)
        if page.next_cursor is None:
            return count
        cursor = page.next_cursor


@pytest.mark.parametrize("headers", [{}, {"x-total-count": "5"}])
async def test_a_page_shorter_than_asked_for_is_not_the_end(headers: dict[str, str]) -> None:
    client = OneRosterClient(Provider(path="", page_size=1000), Answers(**headers))

    assert await read(client) == 5


@pytest.mark.parametrize(
    ("date", "mark"),
    [
        ("Tue, 01 Sep 2026 02:00:00 GMT", "2026-09-01T01:58:00.000Z"),
        ("Tue, 01 Sep 2026 02:00:00 -0000", "2026-09-01T01:58:00.000Z"),
        ("Tue, 01 Sep 2026 05:00:00 GMT", "2026-09-01T02:58:00.000Z"),
        ("yesterday", "2026-09-01T02:50:00.000Z"),
    ],
)
async def test_the_mark_is_a_little_before_the_clock_that_is_behind(date: str, mark: str) -> None:
    provider = Provider(path="", page_size=10, sections=("orgs",))

    begun = await OneRosterClient(provider, Answers(date=date)).begin(None, NOW)

    assert begun.mark == mark


@pytest.mark.parametrize("pull", [REST.pull, CAMPUS.pull])
async def test_a_delta_of_1_1_reads_all_orgs_on_which_administrators_hang(pull: PullSpec) -> None:
    options = {"version": "1.1", "appName": "homeroom"}
    access = Access(base_url="", client_id="c", page_size=10, options=options)
    answers = Answers()

    await pull.connect(access, answers).page("orgs", None, "2026-09-01T00:00:00.000Z")

    assert "filter" not in answers.queries[0]


class Ending(Answers):
    """Has no page behind the last one; `down`: while it starts, none at all."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False

    async def send(self, method: str, path: str, **more: object) -> Answer:
        answer = await super().send(method, path, **more)  # type: ignore[arg-type]
        if self.down or answer.body == b'{"orgs":[]}':
            return Answer(status=404, headers={}, body=b"")
        return answer


async def test_a_page_that_is_not_there_behind_the_last_one_is_the_end() -> None:
    client = OneRosterClient(Provider(path="", page_size=2), Ending())

    assert await read(client) == 5


async def test_a_page_that_is_not_there_ends_nothing_while_nothing_is() -> None:
    provider = Ending()
    client = OneRosterClient(Provider(path="", page_size=2), provider)
    provider.down = True

    with pytest.raises(SourceRefused):
        await client.page("orgs", "2", None)


async def test_warnings_beside_the_items_are_no_items() -> None:
    class Warning1x1(Answers):
        async def send(self, method: str, path: str, **more: object) -> Answer:
            del method, path, more
            said = {"statusInfoSet": [{"severity": "warning"}], "users": [{"sourcedId": "u1"}]}
            return Answer(status=200, headers={}, body=orjson.dumps(said))

    client = OneRosterClient(Provider(path="", page_size=2), Warning1x1())

    for section in ("users", "students"):
        page = await client.page(section, None, None)
        assert [item["sourcedId"] for item in page.items] == ["u1"]


class Filtering(Answers):
    """Heeds filters, unless it does not or refuses them."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self._how = how

    async def send(self, method: str, path: str, **more: Any) -> Answer:
        answer = await super().send(method, path, **more)
        if "filter" not in (more["query"] or {}) or self._how == "unheeded":
            return answer
        status = 400 if self._how == "refused" else 200
        return Answer(status=status, headers={}, body=b'{"orgs":[]}')


@pytest.mark.parametrize(
    ("how", "detail"),
    [
        ("heeded", "what changed is told"),
        ("refused", "filter refused by orgs: read in full, once a day"),
        ("unheeded", "filter not heeded by orgs: each delta reads all of it"),
    ],
)
async def test_an_examination_says_whether_what_changed_is_told(how: str, detail: str) -> None:
    provider = Provider(path="", page_size=2, sections=("orgs",))

    _, deltas = await OneRosterClient(provider, Filtering(how)).examine()

    assert (deltas.what, deltas.ok, deltas.detail) == ("deltas", True, detail)


async def test_where_all_is_read_each_time_nobody_is_asked_what_changed() -> None:
    whole = Provider(path="", page_size=2, sections=("orgs",), always_whole=frozenset({"orgs"}))

    findings = await OneRosterClient(whole, Answers()).examine()

    assert [one.what for one in findings] == ["orgs"]
