"""The OneRoster 1.2 pages as a vendor sees them, over HTTP, on a real PostgreSQL."""

import pytest

from roster_publisher.domain.collections import DEMOGRAPHICS, ROSTER
from tests.support.official_oneroster import (
    check_answer,
    check_collection,
    check_error,
    check_single,
)
from tests.support.oneroster_records import (
    class_,
    demographics,
    enrollment,
    org,
    ref,
    role,
    school_world,
    session,
    user,
)
from tests.support.publishing import BASE, Publishing

EVERYTHING = [
    *school_world(),
    ("org", org("d", type="district", children=[ref("org", "s1")])),
    ("org", org("s2", parent=ref("org", "d"), metadata={"x": 1})),
    ("academicSession", session("g1", type="gradingPeriod", parent=ref("academicSession", "t1"))),
    ("user", user("amy", username="amy", agents=[ref("user", "mum")], grades=["05"])),
    ("user", user("mum", role("s1", kind="parent"))),
    ("user", user("Teo Ünal/1", role("s2", kind="teacher", beginDate="2026-08-01"), sms="1")),
    (
        "user",
        user(
            "both",
            role("s1", kind="teacher"),
            role("s2", kind="student", roleType="secondary"),
            primaryOrg=ref("org", "s2"),
        ),
    ),
    ("class", class_("k2", school="s2", periods=["1"], classType="scheduled")),
    ("enrollment", enrollment("e1", user="amy")),
    ("enrollment", enrollment("e2", user="both", class_id="k2", school="s2", primary=False)),
    ("demographics", demographics("amy", sex="female", asian=True)),
]
COLLECTIONS = {
    "orgs": 3,
    "schools": 2,
    "academicSessions": 2,
    "terms": 1,
    "gradingPeriods": 1,
    "courses": 1,
    "classes": 2,
    "users": 4,
    "students": 2,
    "teachers": 2,
    "enrollments": 2,
    "demographics": 1,
}


async def test_all_twelve_collections_are_as_the_specification_wants_them(
    publishing: Publishing,
) -> None:
    await publishing.publish(*EVERYTHING)

    async with publishing.vendor() as vendor:
        counts = {}
        for path in COLLECTIONS:
            answer = await vendor.get(f"/{path}")
            assert answer.status_code == 200
            check_collection(answer.json())
            (rows,) = answer.json().values()
            counts[path] = len(rows)
            assert answer.headers["x-total-count"] == str(len(rows))
            assert answer.headers["x-roster-revision"] == "1"

    assert counts == COLLECTIONS


async def test_every_single_read_is_as_the_specification_wants_it(publishing: Publishing) -> None:
    await publishing.publish(*EVERYTHING)

    async with publishing.vendor() as vendor:
        for path in COLLECTIONS:
            (rows,) = (await vendor.get(f"/{path}")).json().values()
            for row in rows:
                escaped = row["sourcedId"].replace("/", "%2F").replace(" ", "%20")
                answer = await vendor.get(f"/{path}/{escaped}")
                check_single(answer.json())
                assert list(answer.json().values()) == [row]


async def test_hrefs_are_absolute_and_can_be_followed(publishing: Publishing) -> None:
    await publishing.publish(*EVERYTHING)

    async with publishing.vendor() as vendor:
        body = (await vendor.get("/enrollments/e1")).json()["enrollment"]
        assert body["user"]["href"] == f"{BASE}/users/amy"
        for field in ("user", "class", "school"):
            assert (await vendor.get(body[field]["href"])).status_code == 200


async def test_a_user_reads_exactly_as_published(publishing: Publishing) -> None:
    await publishing.publish(*EVERYTHING)

    async with publishing.vendor() as vendor:
        body = (await vendor.get("/users/amy")).json()

    assert body == {
        "user": {
            "sourcedId": "amy",
            "status": "active",
            "dateLastModified": "2026-09-01T08:00:01.000Z",
            "enabledUser": "true",
            "grades": ["05"],
            "givenName": "Ada",
            "familyName": "Byron",
            "username": "amy",
            "roles": [
                {
                    "roleType": "primary",
                    "role": "student",
                    "org": {"href": f"{BASE}/orgs/s1", "sourcedId": "s1", "type": "org"},
                }
            ],
            "agents": [{"href": f"{BASE}/users/mum", "sourcedId": "mum", "type": "user"}],
        }
    }


@pytest.mark.parametrize("by", ["link", "offset", "short page"])
@pytest.mark.parametrize("limit", [1, 7, 10, 25, 100])
async def test_a_paging_loop_gives_every_row_once(
    publishing: Publishing, by: str, limit: int
) -> None:
    await publishing.publish(*school_world(users=25))

    async with publishing.vendor() as vendor:
        seen: list[str] = []
        url = f"/users?limit={limit}&filter=status%3D'active'"
        for _ in range(30):
            answer = await vendor.get(url)
            rows = [row["sourcedId"] for row in answer.json()["users"]]
            seen += rows
            following = answer.links.get("next", {}).get("url") if by == "link" else None
            done = {
                "link": following is None,
                "offset": len(seen) >= int(answer.headers["x-total-count"]),
                "short page": len(rows) < limit,
            }
            if done[by]:
                break
            url = following or f"/users?limit={limit}&filter=status%3D'active'&offset={len(seen)}"

    assert seen == [f"u{n:03d}" for n in range(25)]


async def test_links_are_absolute_and_keep_every_parameter(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=5))

    async with publishing.vendor() as vendor:
        answer = await vendor.get("/users?limit=2&offset=2&fields=sourcedId&x=a%20b")

    assert answer.headers["link"] == (
        f'<{BASE}/users?fields=sourcedId&x=a+b&limit=2&offset=0>; rel="first", '
        f'<{BASE}/users?fields=sourcedId&x=a+b&limit=2&offset=0>; rel="prev", '
        f'<{BASE}/users?fields=sourcedId&x=a+b&limit=2&offset=4>; rel="next", '
        f'<{BASE}/users?fields=sourcedId&x=a+b&limit=2&offset=4>; rel="last"'
    )
    assert answer.json() == {"users": [{"sourcedId": "u002"}, {"sourcedId": "u003"}]}


async def test_a_large_limit_is_streamed_whole(publishing: Publishing) -> None:
    await publishing.publish(*school_world())
    many = [("user", user(f"u{n:05d}")) for n in range(4_500)]
    await publishing.publish(*many)

    async with publishing.vendor() as vendor:
        whole = await vendor.get("/users?limit=50000")
        part = await vendor.get("/users?limit=4200")
        rest = await vendor.get("/users?limit=4200&offset=4200")

    assert len(whole.json()["users"]) == 4_500
    assert [len(part.json()["users"]), len(rest.json()["users"])] == [4_200, 300]
    assert whole.headers["x-total-count"] == "4500"


@pytest.mark.parametrize("limit", ["0", "abc", "50001", "-1", "1.5", "", "\u0661"])
async def test_a_limit_that_cannot_be_honoured_is_refused(
    publishing: Publishing, limit: str
) -> None:
    async with publishing.vendor() as vendor:
        answer = await vendor.get("/users", params={"limit": limit})

    assert answer.status_code == 400
    check_error(answer.json())
    (field,) = answer.json()["imsx_CodeMinor"]["imsx_codeMinorField"]
    assert field["imsx_codeMinorFieldValue"] == "invaliddata"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/users?filter=status='tobedeleted'", []),
        ("/users?filter=role='teacher'", ["Teo Ünal/1", "both"]),
        ("/users?filter=roles.role='student' AND roles.org.sourcedId='s2'", ["both"]),
        ("/users?filter=roles.org.sourcedId='s9' OR sourcedId='amy'", ["amy"]),
        ("/users?filter=dateLastModified>'2026-09-01T08:00:00.999Z'", ["Teo Ünal/1", "amy", "both", "mum"]),
        ("/users?filter=dateLastModified>'2026-09-01T08:00:01Z'", []),
        ("/users?filter=dateLastModified>='2026-09-01T10:00:01.000000000+02:00' AND role='parent'", ["mum"]),
        ("/students?filter=dateLastModified>'2026-09-01'", ["amy", "both"]),
        ("/enrollments?filter=user.sourcedId='both'", ["e2"]),
        ("/enrollments?filter=class.sourcedId='k1' AND role='student'", ["e1"]),
        ("/classes?filter=terms.sourcedId='t1' AND school.sourcedId!='s1'", ["k2"]),
        ("/orgs?filter=type~'SCHO'", ["s1", "s2"]),
        ("/orgs?filter=sourcedId='o''hara'", []),
    ],
)  # fmt: skip
async def test_filters(publishing: Publishing, path: str, wanted: list[str]) -> None:
    await publishing.publish(*EVERYTHING)

    async with publishing.vendor() as vendor:
        answer = await vendor.get(path.replace("+", "%2B"))

    (rows,) = answer.json().values()
    assert [row["sourcedId"] for row in rows] == wanted
    assert answer.headers["x-total-count"] == str(len(wanted))


@pytest.mark.parametrize(
    "text",
    [
        "favouriteColour='red'",
        "status=active",
        "dateLastModified>'yesterday'",
        "status='a' AND role='b' OR role='c'",
        "status=\u2018active\u2019",
        "roles.org>'a'",
        "",
    ],
)
async def test_a_filter_that_cannot_be_read_is_refused(publishing: Publishing, text: str) -> None:
    async with publishing.vendor() as vendor:
        answer = await vendor.get("/users", params={"filter": text})

    assert answer.status_code == 400
    check_error(answer.json())
    (field,) = answer.json()["imsx_CodeMinor"]["imsx_codeMinorField"]
    assert field["imsx_codeMinorFieldValue"] == "invalid_filter_field"


async def test_without_a_known_token_nothing_is_read(publishing: Publishing) -> None:
    async with publishing.http() as anyone:
        none = await anyone.get("/users")
        wrong = await anyone.get("/users", headers={"Authorization": "Bearer wrong"})

    assert [none.status_code, wrong.status_code] == [401, 401]
    assert none.headers["www-authenticate"].startswith("Bearer")
    check_error(none.json())


async def test_a_token_without_the_scope_is_refused(publishing: Publishing) -> None:
    async with publishing.vendor(scopes=frozenset({ROSTER})) as vendor:
        refused = await vendor.get("/demographics")
    async with publishing.vendor("second", scopes=frozenset({DEMOGRAPHICS})) as vendor:
        also = await vendor.get("/users")

    assert [refused.status_code, also.status_code] == [403, 403]
    check_error(refused.json())


async def test_whoever_wants_to_write_is_told_what_can_be_done(publishing: Publishing) -> None:
    async with publishing.vendor() as vendor:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = await vendor.request(method, "/users")
            assert answer.status_code == 405
            assert answer.headers["allow"] == "GET, HEAD"
            check_error(answer.json())


async def test_what_is_not_there_is_an_unknown_object(publishing: Publishing) -> None:
    await publishing.publish(*EVERYTHING)

    async with publishing.vendor() as vendor:
        for path in ("/users/nobody", "/students/mum", "/nothing", "/users/a/b", "/schools/d"):
            answer = await vendor.get(path)
            assert answer.status_code == 404
            check_error(answer.json())


async def test_a_question_that_no_database_can_hold_is_refused(publishing: Publishing) -> None:
    await publishing.publish(*school_world())
    asked = {
        "/users/%00": 404,
        "/users?sort=metadata.a%00b": 200,
        f"/users?sort=metadata.{'a.' * 5_000}b": 200,
        "/users?filter=sourcedId%3D'%00'": 400,
        "/classes?filter=terms.sourcedId%3D'%00'": 400,
        "/users?filter=dateLastModified%3E'0001-01-01T00:00:00%2B14:00'": 400,
        "/users?filter=dateLastModified%3E'9999-12-31T23:59:59-14:00'": 400,
        f"/users?offset={'0' * 5_000}": 400,
        "/users?limit=000000000001000000": 400,
    }

    async with publishing.vendor() as vendor:
        answers = {path: await vendor.get(path) for path in asked}

    for answer in answers.values():
        check_answer("/users", answer)
    assert {path: answer.status_code for path, answer in answers.items()} == asked


async def test_an_unknown_selection_field_is_refused(publishing: Publishing) -> None:
    async with publishing.vendor() as vendor:
        unknown = await vendor.get("/users?fields=shoeSize")
        blank = await vendor.get("/users?fields=")

    assert [unknown.status_code, blank.status_code] == [400, 400]


async def test_a_tombstone_is_read_like_any_row(publishing: Publishing) -> None:
    await publishing.publish(*EVERYTHING)
    await publishing.publish(("user", "amy"))

    async with publishing.vendor() as vendor:
        single = await vendor.get("/users/amy")
        delta = await vendor.get("/users?filter=dateLastModified>'2026-09-01T08:00:01.000Z'")

    assert single.json()["user"]["status"] == "tobedeleted"
    assert [row["sourcedId"] for row in delta.json()["users"]] == ["amy"]
    check_collection(delta.json())


async def test_a_grant_of_one_school_sees_nothing_of_another(publishing: Publishing) -> None:
    await publishing.publish(*EVERYTHING)

    async with publishing.vendor(schools=("s1",)) as vendor:
        seen = {}
        for path in COLLECTIONS:
            answer = await vendor.get(f"/{path}")
            check_collection(answer.json())
            (rows,) = answer.json().values()
            seen[path] = [row["sourcedId"] for row in rows]
            assert answer.headers["x-total-count"] == str(len(rows))
            assert "s2" not in answer.text
            assert "Teo" not in answer.text
        hidden = await vendor.get("/users/Teo%20%C3%9Cnal%2F1")
        by_filter = await vendor.get("/users?filter=roles.org.sourcedId='s2'")
        as_student = await vendor.get("/users?filter=role='student'")

    assert seen == {
        "orgs": ["s1"],
        "schools": ["s1"],
        "academicSessions": ["g1", "t1"],
        "terms": ["t1"],
        "gradingPeriods": ["g1"],
        "courses": ["c1"],
        "classes": ["k1"],
        "users": ["amy", "both", "mum"],
        "students": ["amy"],
        "teachers": ["both"],
        "enrollments": ["e1"],
        "demographics": ["amy"],
    }
    assert hidden.status_code == 404
    assert by_filter.headers["x-total-count"] == "0"
    assert [row["sourcedId"] for row in as_student.json()["users"]] == ["amy"]


async def test_a_vendor_of_one_district_sees_none_of_another(publishing: Publishing) -> None:
    await publishing.publish(*EVERYTHING, district="d1")
    await publishing.publish(*school_world(users=2), district="d2")

    async with publishing.vendor(district="d2") as vendor:
        answer = await vendor.get("/users")

    assert [row["sourcedId"] for row in answer.json()["users"]] == ["u000", "u001"]


async def test_reads_go_on_after_the_database_closed_idle_connections(
    publishing: Publishing,
) -> None:
    await publishing.publish(*school_world())
    async with publishing.vendor() as http:
        assert (await http.get("/orgs")).status_code == 200
        ended = await publishing.rows(
            "SELECT pg_terminate_backend(pid, 5000) AS ended FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        again = await http.get("/orgs")

    assert ended
    assert again.status_code == 200
