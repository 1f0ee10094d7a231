"""Filters and orders that have an index use it: read from the plans of the statements themselves."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from roster_publisher.adapters.postgres.read_sql import rows_of
from roster_publisher.adapters.postgres.statements import Statement
from roster_publisher.domain.access import Grant
from roster_publisher.domain.collections import COLLECTIONS, KNOWN_SCOPES
from roster_publisher.domain.filters import parse_filter
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.sorting import Place, parse_sort
from tests.support.oneroster_records import (
    class_,
    course,
    enrollment,
    org,
    role,
    school_world,
    user,
)
from tests.support.publishing import Publishing

GRANT = Grant(district_id="d1", client_id="v", token_scopes=KNOWN_SCOPES)
# Enough rows, and few enough behind each id, that an index costs a small share of reading all.
PEOPLE, CLASSES, TURNS = 400, 200, 20
# PostgreSQL looks at five plans for given values before it keeps one for all values.
PAGES = 10


async def _plan(
    publishing: Publishing,
    path: str,
    *,
    text: str | None = None,
    sort: str | None = None,
    order_by: str | None = None,
    after: Place | None = None,
    grant: Grant = GRANT,
    touched_since: datetime | None = None,
) -> list[dict[str, Any]]:
    """Every node of a page's plan, outermost first: of the newest revision, a delta's of the first."""
    collection = COLLECTIONS[path]
    query = CollectionQuery(
        grant=grant,
        collection=collection,
        filter=None if text is None else parse_filter(text, collection.entity, grant),
        sort=parse_sort(sort, order_by, collection.entity, grant),
        touched_since=touched_since,
    )
    statement = Statement(100)
    revision = None if touched_since is None else statement.bind(1)
    sql = rows_of(
        query, "o.base, o.sourced_id", statement, revision=revision, after=after, limit="$1"
    )
    async with publishing.database.begin() as tx:
        driver = await tx.driver()
        await driver.execute("ANALYZE")
        told = await driver.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *statement.values)
    return _nodes(told[0]["Plan"])


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


async def _fill(publishing: Publishing) -> None:
    people = [f"u{n:03d}" for n in range(PEOPLE)]
    await publishing.publish(
        *school_world(users=PEOPLE),
        *(("course", course(f"c{n}")) for n in range(2, CLASSES)),
        *(("class", class_(f"k{n}", course=f"c{n}")) for n in range(2, CLASSES)),
    )
    for turn in range(TURNS):
        await publishing.publish(
            *(
                (
                    "enrollment",
                    enrollment(
                        f"e{turn}-{who}",
                        user=who,
                        class_id=f"k{2 + (TURNS * n + turn) % (CLASSES - 2)}",
                    ),
                )
                for n, who in enumerate(people)
            ),
            *(("user", user(who, givenName=f"N{turn}")) for who in people[turn * TURNS :][:TURNS]),
        )


async def test_what_has_an_index_is_read_by_it(publishing: Publishing) -> None:
    await _fill(publishing)
    place = Place(sourced_id="e5-u100")

    for path, text, wanted in (
        ("enrollments", "user.sourcedId='u007'", "user_id = "),
        ("enrollments", "class.sourcedId='k5'", "class_id = "),
        ("enrollments", "user.sourcedId='u007' AND metadata.x='1' AND beginDate>'2026-01-01'", "user_id = "),
        ("classes", "course.sourcedId='c7'", "course_id = "),
        ("enrollments", "sourcedId='e5-u007'", "sourced_id = "),
        ("enrollments", "sourcedId>'e9' AND sourcedId<'e9-u002'", "sourced_id > "),
        ("users", "dateLastModified>'2026-09-01T08:00:20Z'", "stamp > "),
        ("users", "dateLastModified>'2026-09-01T08:00:20Z' AND familyName~'x'", "stamp > "),
    ):  # fmt: skip
        nodes = await _plan(publishing, path, text=text)
        assert any(wanted in node.get("Index Cond", "") for node in nodes), (text, nodes)
    for order_by in ("asc", "desc"):
        nodes = await _plan(publishing, "enrollments", sort="sourcedId", order_by=order_by, after=place)  # fmt: skip
        assert not [node for node in nodes if node["Node Type"] == "Sort"]
        nodes = await _plan(publishing, "enrollments", sort="dateLastModified", order_by=order_by)
        assert "Incremental Sort" in [node["Node Type"] for node in nodes], nodes


@pytest.mark.parametrize("path", ["users", "enrollments"])
async def test_a_page_without_filter_needs_no_sort(publishing: Publishing, path: str) -> None:
    await _fill(publishing)

    nodes = await _plan(publishing, path, after=Place(sourced_id="e1"))

    assert not [node for node in nodes if "Sort" in node["Node Type"]]


async def test_a_page_of_several_schools_is_found_without_sorting_what_is_left(
    publishing: Publishing,
) -> None:
    await _fill(publishing)
    schools = replace(GRANT, school_ids=("s1", "s2"))

    nodes = await _plan(publishing, "enrollments", after=Place(sourced_id="e1"), grant=schools)

    sorts = [node for node in nodes if node["Node Type"] in {"Sort", "Incremental Sort"}]
    assert not [key for node in sorts for key in node["Sort Key"] if "sourced_id" in key], nodes


async def test_a_page_of_several_schools_reads_no_other_school(publishing: Publishing) -> None:
    schools = [f"s{n}" for n in range(8)]
    # Ids begin with their school, so that all others stand before the last two.
    people = [user(f"{at}-{n:03d}", role(at)) for at in schools for n in range(PEOPLE // 4)]
    await publishing.publish(
        *(("org", org(one)) for one in schools), *(("user", one) for one in people)
    )

    nodes = await _plan(publishing, "users", grant=replace(GRANT, school_ids=("s6", "s7")))

    (merged,) = [node for node in nodes if node["Node Type"] == "Merge Append"]
    conditions = [node["Index Cond"] for node in _nodes(merged) if "Index Cond" in node]
    assert len(conditions) == 2
    assert all("scope_id = " in one for one in conditions), conditions


async def test_what_a_delta_of_schools_tells_again_is_looked_up_id_by_id(
    publishing: Publishing,
) -> None:
    begun = publishing.clock.now()
    await _fill(publishing)
    schools = replace(GRANT, school_ids=("s1", "s2"))

    nodes = await _plan(
        publishing,
        "enrollments",
        text=f"dateLastModified<='{publishing.clock.now():%FT%TZ}'",
        grant=schools,
        touched_since=begun,
    )

    # An array is taken for short: where it is a filter, each id is compared with each other.
    conditions = [node.get(key, "") for node in nodes for key in ("Filter", "Index Cond")]
    assert not [one for one in conditions if "sourced_id = ANY" in one], conditions


async def test_a_page_without_filter_is_not_planned_each_time(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=5 * PEOPLE))

    for path in ("users", "students"):
        for revision in (None, "$2"):
            statement = Statement(1) if revision is None else Statement(1, 1)
            query = CollectionQuery(grant=GRANT, collection=COLLECTIONS[path])
            sql = rows_of(query, "o.base, o.sourced_id", statement, revision=revision, limit="$1")
            async with publishing.database.begin() as tx:
                driver = await tx.driver()
                await driver.execute("ANALYZE")
                page = await driver.prepare(sql)
                for _ in range(PAGES):
                    await page.fetch(*statement.values)
                planned = await driver.fetchval(
                    "SELECT custom_plans FROM pg_prepared_statements WHERE statement = $1", sql
                )
            assert planned < PAGES, (path, revision)


async def test_a_view_of_a_school_is_not_read_whole_for_what_has_an_index(
    publishing: Publishing,
) -> None:
    await _fill(publishing)
    school = replace(GRANT, school_ids=("s1",))

    for path, text, wanted in (
        ("enrollments", "user.sourcedId='u007' AND metadata.x='1'", "user_id = "),
        ("enrollments", "class.sourcedId='k5' AND beginDate>'2026-01-01'", "class_id = "),
        ("classes", "course.sourcedId='c7'", "course_id = "),
        ("users", "sourcedId='u007' OR sourcedId='u008'", "sourced_id = ANY"),
    ):
        nodes = await _plan(publishing, path, text=text, grant=school)
        conditions = [node.get("Index Cond", "") for node in nodes]
        assert any(wanted in one for one in conditions), (text, conditions)
        assert any("(sourced_id = ANY" in one for one in conditions), "\n".join(conditions)
