"""Filters and orders on any field: what each means, what is hidden, what is never run (ADR 0023)."""

import asyncio
from typing import Any

import pytest

from roster_publisher.adapters.postgres import lines
from roster_publisher.adapters.postgres.reads import PostgresReads
from roster_publisher.domain.queries import Page
from roster_publisher.usecases import read_collection
from tests.support.eventually import eventually
from tests.support.official_oneroster import check_error
from tests.support.oneroster_records import course, org, ref, role, school_world, user
from tests.support.publishing import Publishing

WORLD = [
    *school_world(),
    ("user", user("amy", familyName="Zed", email="amy@example.org", metadata={"bus": 10, "a": {"b": ["x"]}})),
    ("user", user("bob", familyName="alba", email="Bob@example.org", metadata={"bus": 9})),
    ("user", user("cyd", familyName="Alba", metadata={"a.b": "x"}, agents=[ref("user", "amy")])),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("familyName='Alba'", ["cyd"]),
        ("familyName~'ALB'", ["bob", "cyd"]),
        ("familyName>'Z'", ["amy", "bob"]),
        ("email!='amy@example.org'", ["bob", "cyd"]),
        ("email~'_'", []),
        ("metadata.bus>'9'", ["amy"]),
        ("metadata.bus='10.0'", ["amy"]),
        ("metadata.a.b='x'", ["amy", "cyd"]),
        ("metadata.a='x'", []),
        ("agents.sourcedId='amy' OR sourcedId='bob' OR metadata.bus='10'", ["amy", "bob", "cyd"]),
        ("roles.role='student' AND enabledUser='true' AND familyName~'a'", ["bob", "cyd"]),
        ("role~'stu,par'", ["amy", "bob", "cyd"]),
        ("roles.role>'a' AND roles.roleType='primary'", ["amy", "bob", "cyd"]),
        ("resources.sourcedId='r1'", []),
        ("dateLastModified~'2026-09' AND sourcedId~'B'", ["bob"]),
    ],
)
async def test_fields_without_a_column_are_filtered_on(
    publishing: Publishing, text: str, wanted: list[str]
) -> None:
    await publishing.publish(*WORLD)

    async with publishing.vendor() as http:
        answer = await http.get("/users", params={"filter": text})

    assert [row["sourcedId"] for row in answer.json()["users"]] == wanted
    assert answer.headers["x-total-count"] == str(len(wanted))


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"sort": "familyName"}, ["cyd", "amy", "bob"]),
        ({"sort": "familyName", "orderBy": "desc"}, ["bob", "amy", "cyd"]),
        ({"sort": "email"}, ["bob", "amy", "cyd"]),
        ({"sort": "email", "orderBy": "desc"}, ["amy", "bob", "cyd"]),
        ({"sort": "sourcedId", "orderBy": "desc"}, ["cyd", "bob", "amy"]),
        ({"sort": "roles.role", "orderBy": "desc"}, ["amy", "bob", "cyd"]),
        ({"sort": "metadata.a.b"}, ["amy", "cyd", "bob"]),
        ({"sort": "shoeSize"}, ["amy", "bob", "cyd"]),
        ({"sort": "org"}, ["amy", "bob", "cyd"]),
        ({"sort": "", "orderBy": "desc"}, ["amy", "bob", "cyd"]),
    ],
)
async def test_rows_come_in_the_order_asked_for(
    publishing: Publishing, params: dict[str, str], wanted: list[str]
) -> None:
    await publishing.publish(*WORLD)

    async with publishing.vendor() as http:
        answer = await http.get("/users", params=params)
        by_ones = [
            (await http.get("/users", params=params | {"limit": "1", "offset": str(n)})).json()
            for n in range(3)
        ]

    assert [row["sourcedId"] for row in answer.json()["users"]] == wanted
    assert [page["users"][0]["sourcedId"] for page in by_ones] == wanted


async def test_an_order_that_is_none_is_refused(publishing: Publishing) -> None:
    async with publishing.vendor() as http:
        answer = await http.get("/users?sort=familyName&orderBy=upwards")

    assert answer.status_code == 400
    check_error(answer.json())


async def test_a_sorted_pull_stays_at_its_revision(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=6))
    async with publishing.vendor() as http:
        first = await http.get("/users?sort=givenName&orderBy=desc&limit=4")
        await publishing.publish(
            ("user", user("u000", givenName="Zoe")), ("user", user("u9", givenName="Aaa"))
        )
        second = await http.get(first.links["next"]["url"])

    assert [first.headers["x-roster-revision"], second.headers["x-roster-revision"]] == ["1", "1"]
    rows = first.json()["users"] + second.json()["users"]
    assert [row["sourcedId"] for row in rows] == [f"u{n:03d}" for n in range(6)]
    assert {row["givenName"] for row in rows} == {"Ada"}


async def test_a_withheld_field_is_as_unknown_as_one_that_does_not_exist(
    publishing: Publishing,
) -> None:
    await publishing.publish(*WORLD)

    async with publishing.vendor(fields=frozenset({"contact"})) as http:
        refused = {
            name: await http.get("/users", params={"filter": f"{name}~'a'"})
            for name in ("familyName", "userIds.identifier", "metadata.bus", "nothing.at.all")
        }
        sorted_by_it = await http.get("/users?sort=familyName")
        by_email = await http.get("/users?sort=email&orderBy=desc")

    for name, answer in refused.items():
        assert answer.status_code == 400
        assert answer.json()["imsx_description"] == (
            f"cannot filter on {name}: there is no such field, or it has fields of its own, as org"
            " has org.sourcedId"
        )
    assert [row["sourcedId"] for row in sorted_by_it.json()["users"]] == ["amy", "bob", "cyd"]
    assert [row["sourcedId"] for row in by_email.json()["users"]] == ["amy", "bob", "cyd"]


async def test_what_is_out_of_sight_cannot_be_asked_for(publishing: Publishing) -> None:
    await publishing.publish(
        *school_world(),
        ("org", org("s2", name="Second")),
        ("org", org("s1", parent=ref("org", "s2"), children=[ref("org", "s2")])),
        ("course", course("c1", org=ref("org", "s2"))),
        ("user", user("far", role("s2"))),
        (
            "user",
            user(
                "near",
                role("s1"),
                role("s2", kind="teacher", beginDate="2026-08-01"),
                agents=[ref("user", "far")],
                primaryOrg=ref("org", "s2"),
            ),
        ),
    )
    hidden = {
        "orgs": ["parent.sourcedId='s2'", "children.sourcedId~'s2'", "parent.type='org'"],
        "courses": ["org.sourcedId='s2'", "org.type='org'"],
        "users": [
            *("agents.sourcedId='far'", "agents.type='user'", "roles.org.sourcedId~'s2'"),
            *("roles.role~'teach'", "roles.beginDate='2026-08-01'", "primaryOrg.sourcedId='s2'"),
        ],
    }

    async with publishing.vendor("all") as everybody, publishing.vendor("one", schools=("s1",)) as http:  # fmt: skip
        for path, filters in hidden.items():
            for text in filters:
                seen = await everybody.get(f"/{path}", params={"filter": text})
                unseen = await http.get(f"/{path}", params={"filter": text})
                assert seen.headers["x-total-count"] != "0", text
                assert unseen.headers["x-total-count"] == "0", text
        for name in ("agents.sourcedId", "primaryOrg.sourcedId"):
            rows = (await http.get(f"/users?sort={name}&orderBy=desc")).json()["users"]
            assert [row["sourcedId"] for row in rows] == ["near"]


ATTACKS = (
    "'; DROP TABLE roster_publisher.object; --",
    "' OR '1'='1",
    "\\'; SELECT pg_sleep(60); --",
    '") ? (1 == 1)',
    '$.*"',
    "{{}}%s$1",
    "*/ UNION SELECT secret_hash FROM roster_publisher.client --",
    "\ud7ff\uffff\U0010ffff",
)


@pytest.mark.parametrize("attack", ATTACKS)
async def test_values_and_paths_are_never_part_of_a_statement(
    publishing: Publishing, attack: str
) -> None:
    await publishing.publish(
        *WORLD, ("user", user("odd", givenName=attack, metadata={attack: "1"}))
    )
    quoted = attack.replace("'", "''")

    async with publishing.vendor() as http:
        asked = [
            {"filter": f"givenName='{quoted}'"},
            {"filter": f"givenName~'{quoted}' AND metadata.x!='{quoted}'"},
            {"filter": f"sourcedId>'{quoted}' OR givenName='{quoted}'"},
            {"filter": f"metadata.{attack}='1'"},
            {"filter": attack},
            {"sort": f"metadata.{attack}"},
            {"sort": attack, "orderBy": "desc"},
            {"sort": "givenName", "orderBy": attack},
        ]
        answers = [await http.get("/users", params=params) for params in asked]
        still = await http.get("/users")

    assert {answer.status_code for answer in answers} <= {200, 400}
    for answer in answers[:2]:
        assert [row["sourcedId"] for row in answer.json()["users"]] == ["odd"]
    assert still.headers["x-total-count"] == "4"


async def test_a_query_without_an_index_that_takes_too_long_is_told_how_to_narrow_it(
    publishing: Publishing,
) -> None:
    publishing.reads = PostgresReads(publishing.database, slow_s=1.0)
    await publishing.publish(*school_world(users=3))

    async with publishing.vendor() as http:
        async with publishing.database.begin() as tx:
            await (await tx.driver()).execute("LOCK TABLE roster_publisher.object")
            answers = [
                await http.get("/users", params=params)
                for params in (
                    {"filter": "givenName='Ada' AND metadata.bus='7'"},
                    {"sort": "familyName", "orderBy": "desc"},
                    {"sort": "familyName", "filter": "familyName='x'"},
                )
            ]
        later = await http.get("/users?filter=givenName='Ada'")
        limit = await publishing.reads._lines.row("SHOW statement_timeout")

    for answer, named in zip(answers, ("givenName and metadata.bus", "familyName", "familyName"), strict=True):  # fmt: skip
        assert answer.status_code == 400
        check_error(answer.json())
        assert "invaliddata" in answer.text
        assert f"for {named}, and that took more than 1 s" in answer.json()["imsx_description"]
    assert later.headers["x-total-count"] == "3"
    assert limit is not None
    assert limit[0] == "30s"


async def test_a_page_that_takes_too_long_before_anything_was_sent_is_told_so(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_collection, "_SORTED_CHUNK_ROWS", 2)

    class LockedLater(PostgresReads):
        """Whatever comes behind the first rows finds the table locked."""

        async def page_at(self, *query: Any, **how: Any) -> Page:
            async with publishing.database.begin() as tx:
                await (await tx.driver()).execute("LOCK TABLE roster_publisher.object")
                return await super().page_at(*query, **how)

    publishing.reads = LockedLater(publishing.database, slow_s=0.2)
    await publishing.publish(*school_world(users=3))

    async with publishing.vendor() as http:
        answer = await http.get("/users?sort=familyName")

    assert answer.status_code == 400
    check_error(answer.json())
    assert "for familyName, and that took more than 0.2 s" in answer.text


async def test_who_waits_in_vain_for_a_line_is_told_to_come_again(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_ACQUIRE_TIMEOUT_S", 0.2)
    reads = publishing.reads = PostgresReads(publishing.database, lines=1)
    await publishing.publish(*school_world(users=3))

    async with publishing.vendor() as http, asyncio.TaskGroup() as group:
        # The line is connected already: whoever has it did not wait for that.
        await http.get("/users")
        async with publishing.database.begin() as tx:
            await (await tx.driver()).execute("LOCK TABLE roster_publisher.object")
            slow = group.create_task(http.get("/users?sort=familyName"))
            await eventually(reads._lines._turns.locked)
            others = [await http.get(f"/users{more}") for more in ("", "?sort=familyName")]
        first = await slow

    assert first.status_code == 200
    for answer in others:
        assert answer.status_code == 429
        check_error(answer.json())
        assert answer.headers["retry-after"] == "5"


async def test_slow_questions_leave_lines_to_the_others(publishing: Publishing) -> None:
    reads = publishing.reads = PostgresReads(publishing.database, lines=2)
    await publishing.publish(*school_world(users=3))

    async with publishing.vendor() as http, asyncio.TaskGroup() as group:
        async with publishing.database.begin() as tx:
            await (await tx.driver()).execute("LOCK TABLE roster_publisher.object")
            slow = [group.create_task(http.get("/users?sort=familyName")) for _ in range(3)]
            await eventually(reads._lines._slow_turns.locked)
            quick = group.create_task(reads.revisions("d1"))
            first, _ = await asyncio.wait({quick, *slow}, return_when=asyncio.FIRST_COMPLETED)
        answers = [await task for task in slow]

    assert first == {quick}
    assert [answer.status_code for answer in answers] == [200, 200, 200]
