"""Who pulled what and when, kept without a value of a person."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from roster_common.runtime.database import Database, DatabaseAway, Tx
from roster_common.runtime.lifecycle import Stopping
from roster_common.runtime.metrics import sample
from roster_publisher.adapters.postgres.audit import PostgresAudit
from roster_publisher.domain.audit import AuditEntry
from roster_publisher.domain.collections import DEMOGRAPHICS, ROSTER
from roster_publisher.entrypoints.oneroster.faces import V1P1_BASE_PATH
from tests.support.oneroster_records import demographics, enrollment, school_world, user
from tests.support.publishing import Publishing

WORLD = [
    *school_world(),
    ("user", user("amy", givenName="Amy", familyName="Byron", metadata={"bus": "7"})),
    ("enrollment", enrollment("e1", user="amy")),
    ("demographics", demographics("amy", birthDate="2010-01-31")),
]


async def kept(publishing: Publishing, client: str = "vendor") -> Sequence[AuditEntry]:
    """Entries in the order of time, without the tokens given."""
    await publishing.audit.flush()
    found = await publishing.audit.entries("d1", client, limit=100)
    return [one.entry for one in reversed(found) if one.entry.door != "token"]


def brief(entry: AuditEntry) -> tuple[Any, ...]:
    return entry.door, entry.what, entry.status, entry.rows, entry.revision, entry.entities


def entry(**more: Any) -> AuditEntry:
    made: dict[str, Any] = {"door": "oneroster12", "what": "users", "status": 200}
    return AuditEntry(district_id="d1", client_id="vendor", **made, **more)


async def test_every_read_is_kept_with_its_rows_and_revision(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as http:
        began = publishing.clock.now()
        for path in (
            "/users?limit=1",
            "/users/amy",
            f"{V1P1_BASE_PATH}/classes",
            "/schools/s1/students?limit=50",
            "/changes?limit=3",
            "/users/nobody",
            "/nothing",
            "/users?limit=0",
        ):
            await http.get(path)

    found = await kept(publishing)

    assert [brief(one) for one in found] == [
        ("oneroster12", "users", 200, 1, 1, ("user",)),
        ("oneroster12", "users/amy", 200, 1, None, ("user",)),
        ("oneroster11", "classes", 200, 1, 1, ("class",)),
        ("oneroster12", "schools/s1/students", 200, 1, 1, ("user",)),
        (
            *("changes", "changes", 200, 3, 1),
            ("org", "academicSession", "course", "class", "user", "demographics", "enrollment"),
        ),
        ("oneroster12", "users/{id}", 404, 0, None, ()),
        ("oneroster12", "unknown", 404, 0, None, ()),
        ("oneroster12", "users", 400, 0, None, ()),
    ]
    assert {(one.client_id, one.by, one.at) for one in found} == {("vendor", None, began)}
    assert found[3].detail == "limit=50 offset=0"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("filter=familyName='Byron'", "filter=familyName='…'"),
        (
            "filter=givenName~'Am' AND dateLastModified>'2020-01-01'",
            "filter=givenName~'…' AND dateLastModified>'2020-01-01T00:00:00+00:00'",
        ),
        ("filter=sourcedId='amy'", "filter=sourcedId='amy'"),
        ("filter=sourcedId='Amy Byron'", "filter=sourcedId='…'"),
        ("filter=roles.org.sourcedId='s1'", "filter=roles.org.sourcedId='s1'"),
        ("filter=metadata.Amy='7'", "filter=metadata='…'"),
        ("sort=familyName&orderBy=desc", "sort=familyName"),
        ("sort=Byron", ""),
        ("fields=givenName,sourcedId", "fields=givenName,sourcedId"),
    ],
)
async def test_of_a_query_the_fields_are_kept_and_no_value_of_a_person(
    publishing: Publishing, query: str, told: str
) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as http:
        answer = await http.get(f"/users?{query}")

    assert answer.status_code == 200, answer.text
    (found,) = await kept(publishing)
    assert found.detail == f"limit=100 offset=0 {told}".strip()


async def test_no_entry_holds_a_name_that_was_asked_for(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as http:
        await http.get("/users?filter=familyName='Byron'")
        await http.get("/users/Amy%20Byron")
        await http.get("/Byron")

    assert len(await kept(publishing)) == 3
    rows = await publishing.rows("SELECT a::text AS row FROM roster_publisher.pull_audit a")
    assert not [row for row in rows if "Byron" in row["row"]]


async def test_tokens_given_and_refused_are_kept_of_clients_there_are(
    publishing: Publishing,
) -> None:
    async with publishing.vendor(scopes=frozenset({ROSTER, DEMOGRAPHICS})):
        pass
    await publishing.issue("vendor", secret="hrs_wrong")
    await publishing.issue("nobody")

    await publishing.audit.flush()
    found = [one.entry for one in await publishing.audit.entries("d1", "vendor", limit=9)]
    rows = await publishing.rows("SELECT count(*) AS many FROM roster_publisher.pull_audit")

    scopes = "v1p2/scope/roster-demographics.readonly v1p2/scope/roster.readonly"
    assert [(one.door, one.what, one.detail, one.status) for one in found[::-1]] == [
        ("token", "given", scopes, 200),
        ("token", "refused", "invalid_client", 401),
    ]
    assert rows == [{"many": 2}]


async def test_when_each_kind_was_last_pulled_outlives_the_entries(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as http:
        first = publishing.clock.now()
        await http.get("/users")
        await http.get("/classes")
        publishing.clock.advance(60)
        second = publishing.clock.now()
        await http.get("/users/amy")
        await http.get("/users/nobody")
    await publishing.audit.flush()

    before = await publishing.audit.last_pulls("d1", "vendor")
    publishing.clock.advance(timedelta(days=401).total_seconds())
    await publishing.purge()

    assert before == {"user": second, "class": first}
    assert await publishing.audit.entries("d1", "vendor", limit=9) == []
    assert await publishing.audit.last_pulls("d1", "vendor") == before
    assert await publishing.audit.last_pulls("d2", "vendor") == {}


async def test_entries_are_paged_from_the_newest_on_within_times(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as http:
        times = []
        for _ in range(6):
            publishing.clock.advance(10)
            times.append(publishing.clock.now())
            await http.get("/users")
    await publishing.audit.flush()
    since, until = times[1], times[5]

    seen, before = [], None
    while page := await publishing.audit.entries(
        "d1", "vendor", since=since, until=until, before=before, limit=3
    ):
        seen += [one.entry.at for one in page]
        before = page[-1].spot

    assert seen == times[4:0:-1]


async def test_what_does_not_fit_is_dropped_and_counted_and_no_read_waits(
    publishing: Publishing,
) -> None:
    await publishing.publish(*WORLD)
    publishing.audit = PostgresAudit(publishing.database, most_waiting=2)
    dropped, written = (
        sample("audit_entries_total", outcome=one) for one in ("dropped", "written")
    )

    async with publishing.vendor() as http:
        answers = [await http.get("/users") for _ in range(4)]
    await publishing.audit.flush()

    assert [one.status_code for one in answers] == [200] * 4
    # A token, a read, and three that did not fit.
    assert sample("audit_entries_total", outcome="dropped") == dropped + 3
    assert sample("audit_entries_total", outcome="written") == written + 2


async def test_entries_wait_for_a_database_that_is_away(publishing: Publishing) -> None:
    async with publishing.vendor():
        pass
    await publishing.rows("ALTER TABLE roster_publisher.pull_audit RENAME TO away")
    with pytest.raises(Exception, match="pull_audit"):
        await publishing.audit.flush()
    await publishing.rows("ALTER TABLE roster_publisher.away RENAME TO pull_audit")

    await publishing.audit.flush()
    await publishing.audit.flush()

    (found,) = await publishing.audit.entries("d1", "vendor", limit=9)
    assert found.entry.what == "given"


class LosesAnswers(Database):
    """Commits, and the second time loses the connection before it says so."""

    commits = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        """A transaction."""
        async with super().begin() as tx:
            yield tx
        self.commits += 1
        if self.commits == 2:
            raise DatabaseAway("the connection is lost")


async def test_a_line_is_kept_once_when_the_answer_to_its_commit_is_lost(
    publishing: Publishing, publisher_url: str
) -> None:
    now = publishing.clock.now()
    database = LosesAnswers(publisher_url, name="test", pool_size=1)
    audit = PostgresAudit(database)
    for many in range(3):
        audit.note(entry(at=now, rows=many))
    before = sample("audit_entries_total", outcome="written")
    with pytest.raises(DatabaseAway):
        await audit.flush()
    audit.note(entry(at=now, rows=3))
    await audit.flush()
    await database.close()

    found = await publishing.audit.entries("d1", "vendor", limit=9)

    assert [one.entry.rows for one in found] == [3, 2, 1, 0]
    assert sample("audit_entries_total", outcome="written") == before + 4


@pytest.mark.parametrize(
    "bad",
    [{"what": "Byron\x00"}, {"detail": "Byron\ud800"}, {"rows": 1 << 31}, {"revision": 1 << 63}],
)
async def test_a_line_that_no_table_can_hold_keeps_no_other_waiting(
    publishing: Publishing, caplog: pytest.LogCaptureFixture, bad: dict[str, Any]
) -> None:
    caplog.set_level(logging.DEBUG)
    now = publishing.clock.now()
    refused = sample("audit_entries_total", outcome="refused")
    for many in range(7):
        publishing.audit.note(replace(entry(at=now, rows=many), **(bad if many == 2 else {})))

    found = [one.rows for one in await kept(publishing)]

    assert found == [0, 1, 3, 4, 5, 6]
    assert sample("audit_entries_total", outcome="refused") == refused + 1
    await publishing.audit.flush()
    assert "Byron" not in caplog.text


async def test_what_waits_is_written_at_a_stop(publishing: Publishing) -> None:
    async with publishing.vendor():
        pass
    stopping = Stopping()
    stopping.set()

    await publishing.audit.run(stopping)

    assert len(await publishing.audit.entries("d1", "vendor", limit=9)) == 1


async def test_a_page_that_was_refused_after_it_was_counted_held_no_rows(
    publishing: Publishing,
) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor(transforms={"familyName": "hash"}) as http:
        pass
    publishing.hash_key = None
    async with publishing.http(headers=http.headers) as again:
        await again.get("/users?limit=1")

    (found,) = await kept(publishing)
    assert brief(found) == ("oneroster12", "users", 500, 0, 1, ())
